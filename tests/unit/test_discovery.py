"""What an application adds is found by the configuration file and in installed packages."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from roomcast.extensions import discovery
from roomcast.extensions.contract import ExtensionError
from roomcast.extensions.discovery import discover
from roomcast.settings.assemblies import AssemblySettings
from roomcast.settings.config_file import ConfigFileError
from roomcast.settings.settings import Settings

from tests.support.pages import examples

MODULES = {
    "hooks_register": """
def register(roomcast):
    @roomcast.step("scan", after="probing")
    async def scan(job): ...
""",
    "hooks_object": """
from roomcast.extensions.registry import Extensions
class Application: pass
shop = Application()
shop.extensions = Extensions()
@shop.extensions.on("completed")
async def completed(upload): ...
""",
    "hooks_two": "from roomcast.extensions.registry import Extensions\na, b = Extensions(), Extensions()",
    "hooks_nothing": "answer = 42",
    "hooks_broken": "import hooks_that_is_not_there",
    "hooks_exits": "import sys\nsys.exit('bye')",
    "hooks_syntax": "def",
    "hooks_raises": "def register(roomcast):\n    raise KeyError('one\\ntwo')",
    "hooks_async": "async def register(roomcast): ...",
    "hooks_yields": "def register(roomcast):\n    yield",
    "hooks_same": """
def register(roomcast):
    async def scan(job): ...
    roomcast.step("scan", after="probing")(scan)
""",
    "hooks_template": """
from roomcast.uploads.templates import Template
def register(roomcast):
    roomcast.template(Template(name="packaged", kind="video"))
""",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    yield tmp_path
    for name in MODULES:
        sys.modules.pop(name, None)


def settings_with(folder: Path, text: str) -> Settings:
    path = folder / "roomcast.toml"
    path.write_text(text)
    return Settings(assemblies=AssemblySettings(config=path))


def test_hooks_and_templates_of_the_configuration_file_are_added(folder: Path) -> None:
    settings = settings_with(
        folder,
        'hooks = ["hooks_register", "hooks_object", "hooks_template"]\n[templates.raw]\nkind = "file"\nmax_bytes = 9\n',
    )
    extensions = discover(settings)
    extensions.add_templates(settings.assemblies.loaded_templates)
    assert [step.name for step in extensions.steps] == ["scan"]
    assert list(extensions.listeners) == ["completed"]
    names = {template.name for template in settings.assemblies.loaded_templates}
    assert {"raw", "packaged", "auto"} <= names


def test_one_object_of_a_module_can_be_named(folder: Path) -> None:
    extensions = discover(settings_with(folder, 'hooks = ["hooks_object:shop", "hooks_two:a"]'))
    assert list(extensions.listeners) == ["completed"]


def test_file_in_the_working_directory_is_used_and_without_one_there_is_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert discover(Settings()).steps == []
    (folder / "roomcast.toml").write_text('hooks = ["hooks_register"]')
    assert [step.name for step in discover(Settings()).steps] == ["scan"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('hooks = ["hooks_missing"]', "The hook hooks_missing, which {file} names, cannot be imported: ModuleNotFound"),
        ('hooks = ["hooks_broken"]', "The hook hooks_broken, which {file} names, cannot be imported: ModuleNotFound"),
        ('hooks = ["hooks_exits"]', "The hook hooks_exits, which {file} names, cannot be imported: SystemExit: bye."),
        ('hooks = ["hooks_syntax"]', "The hook hooks_syntax, which {file} names, cannot be imported: SyntaxError: "),
        ('hooks = ["hooks_object:none"]', "The hook hooks_object:none, which {file} names, cannot be imported: Attrib"),
        ('hooks = ["hooks_raises"]', "The hook hooks_raises, which {file} names, has failed: KeyError: 'one"),
        ('hooks = ["hooks_async"]', "The hook hooks_async, which {file} names, must be an ordinary function"),
        ('hooks = ["hooks_yields"]', "The hook hooks_yields, which {file} names, must be an ordinary function"),
        (
            'hooks = ["hooks_nothing"]',
            "The module hooks_nothing, which {file} names, has neither a function `register`",
        ),
        (
            'hooks = ["hooks_nothing:answer"]',
            "The hook hooks_nothing:answer, which {file} names, is neither a function",
        ),
        ('hooks = ["hooks_two"]', "The module hooks_two, which {file} names, has several Roomcast objects: name one"),
        ('hooks = ["hooks_register", "hooks_same"]', "There are two steps called scan."),
        ('hooks = [""]', "The configuration file {file} is not valid. `hooks` is not a list of module names."),
        ('hooks = "shop"', "The configuration file {file} is not valid. `hooks` is not a list of module names."),
        ("hooks = ", "The configuration file {file} cannot be read: "),
        ("steps = []", "The configuration file {file} has an unknown key: steps."),
        ('[templates.x]\nkind = "film"', "The configuration file {file} is not valid. In [templates.x]: kind: "),
    ],
)
def test_mistake_is_one_line_that_names_it(folder: Path, text: str, message: str) -> None:
    with pytest.raises((ExtensionError, ConfigFileError)) as refused:
        discover(settings_with(folder, text))
    assert str(refused.value).startswith(message.format(file=folder / "roomcast.toml"))
    assert "\n" not in str(refused.value)


def test_missing_file_that_is_named_is_a_mistake(folder: Path) -> None:
    settings = Settings(assemblies=AssemblySettings(config=folder / "other.toml"))
    with pytest.raises(ConfigFileError, match=r"other\.toml cannot be read"):
        discover(settings)


def test_installed_packages_add_by_entry_points(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sys.path.insert(0, str(folder))

    def entry_points(**selection: Any) -> Any:
        assert selection == {"group": "roomcast"}
        return metadata.EntryPoints(
            [
                metadata.EntryPoint("virus", "hooks_register:register", "roomcast"),
                metadata.EntryPoint("shop", "hooks_object", "roomcast"),
            ]
        )

    documented = tomllib.loads(examples("ini")["entry-point"].code)["project"]["entry-points"]
    assert documented == {discovery.GROUP: {"virus-scan": "roomcast_virus_scan:register"}}
    monkeypatch.setattr(discovery, "entry_points", entry_points)
    extensions = discover(Settings())
    assert ([step.name for step in extensions.steps], list(extensions.listeners)) == (["scan"], ["completed"])
