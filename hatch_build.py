"""Builds the native part of ``masquerade.mask`` while the package is built or installed.

Without a C compiler the package is built without it: everything works and finds the same, five to ten times
slower. ``MASQUERADE_NATIVE=require`` makes a missing compiler an error, ``MASQUERADE_NATIVE=skip`` leaves the
native part out.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

HERE = Path(__file__).parent
FOLDER = HERE / "src" / "masquerade" / "mask"


class NativeHook(BuildHookInterface[Any]):
    """Compiles ``csrc/module.c`` to the extension module ``masquerade.mask._scan``."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before it packs a wheel, or links an editable one."""
        if self.target_name != "wheel":
            return
        for stale in (*FOLDER.glob("_scan.*.so"), *FOLDER.glob("_scan.*.pyd")):
            stale.unlink()
        wish = os.environ.get("MASQUERADE_NATIVE", "")
        if wish == "skip":
            return
        try:
            built = _compile()
        except Exception as problem:  # whatever a compiler's absence looks like
            if wish == "require":
                raise
            self.app.display_warning(f"masquerade is built without its native part: {problem}")
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["force_include"][str(built)] = f"masquerade/mask/{built.name}"


def _compile() -> Path:
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    windows = sys.platform == "win32"
    extension = Extension(
        "_scan",
        [str(Path("src", "masquerade", "mask", "csrc", "module.c"))],
        depends=[str(path) for path in sorted((FOLDER / "csrc").glob("*.h"))],
        extra_compile_args=["/O2", "/std:c11"] if windows else ["-O3", "-std=c11", "-g0"],
        libraries=[] if windows else ["m"],
    )
    with tempfile.TemporaryDirectory() as work:
        command = build_ext(Distribution({"ext_modules": [extension]}))
        command.build_lib = command.build_temp = work
        command.ensure_finalized()
        before = Path.cwd()
        os.chdir(HERE)
        try:
            command.run()
        finally:
            os.chdir(before)
        name = "_scan" + str(sysconfig.get_config_var("EXT_SUFFIX"))
        return Path(shutil.move(Path(work, name), FOLDER / name))
