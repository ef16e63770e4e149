"""Pack the pages, the client, the elements and the guides into the wheel, with the npm files and their licences.

The bill of materials of all that is pinned is packed too (PEP 770).
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a build starts this file by its path
from deploy.sbom import FILE_NAME, bill_of_materials

_SERVED = {".html", ".css", ".js", ".ts", ".svg"}
_BUNDLE = "dist"


def _bundle(static: Path) -> list[Path]:
    """Return the files of the bundle. Raise `FileNotFoundError` if there is none of the present sources."""
    manifest = static / _BUNDLE / "manifest.json"
    inputs: dict[str, str] = json.loads(manifest.read_text())["inputs"] if manifest.is_file() else {"": ""}
    for name, digest in inputs.items():
        source = static / name
        if not source.is_file() or hashlib.sha256(source.read_bytes()).hexdigest() != digest:
            raise FileNotFoundError(
                "The bundle is missing or out of date. Run `npm run build --prefix static` before the wheel is built."
            )
    return sorted(manifest.parent.iterdir())


class WheelStatic(BuildHookInterface[Any]):
    """Map files of the checkout's `static/` and `docs/` to `roomcast/static/` and `roomcast/docs/` in the wheel.

    The bill of materials is written to a directory that lasts as long as the build.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._folder: TemporaryDirectory[str] | None = None

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return  # an editable install serves the checkout's own files
        static = Path(self.root, "static")
        chosen = [
            path
            for path in static.rglob("*")
            if path.suffix in _SERVED and path.relative_to(static).parts[0] not in ("node_modules", _BUNDLE)
        ]
        chosen += _bundle(static)
        for library in self.config["libraries"]:
            path = static / "node_modules" / library
            if not path.is_file():
                raise FileNotFoundError(f"{path} is missing. Run `npm ci --prefix static` before the wheel is built.")
            package = static / "node_modules" / library.split("/")[0]
            chosen += [path, *sorted(package.glob("LICENSE*")), *sorted(package.glob("NOTICE*"))]
        for path in chosen:
            build_data["force_include"][str(path)] = f"roomcast/static/{path.relative_to(static).as_posix()}"
        for guide in Path(self.root, "docs").glob("*.md"):
            build_data["force_include"][str(guide)] = f"roomcast/docs/{guide.name}"
        self._folder = TemporaryDirectory()
        bill = Path(self._folder.name, FILE_NAME)
        bill.write_text(bill_of_materials(Path(self.root), self.metadata.version, self.config["libraries"]))
        build_data["sbom_files"].append(str(bill))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if self._folder is not None:
            self._folder.cleanup()
