"""Pack the pages, the client, the elements and the guides into the wheel, with the npm files and their licences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_SERVED = {".html", ".css", ".js", ".ts", ".svg"}


class WheelStatic(BuildHookInterface[Any]):
    """Map files of the checkout's `static/` and `docs/` to `roomcast/static/` and `roomcast/docs/` in the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return  # an editable install serves the checkout's own files
        static = Path(self.root, "static")
        chosen = [
            path
            for path in static.rglob("*")
            if path.suffix in _SERVED and "node_modules" not in path.relative_to(static).parts
        ]
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
