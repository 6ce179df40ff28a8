"""One conversation with a model service, without sockets."""
