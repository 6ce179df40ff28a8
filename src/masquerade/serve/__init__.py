"""The shell: the only folder with sockets, disks, clocks, environment and a terminal."""
