"""Settings: templates, webhooks and the queue of step messages."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from roomcast.settings.config_file import DEFAULT_CONFIG, ConfigFile, read_config_file
from roomcast.settings.group import SettingsGroup
from roomcast.settings.variables.environment import Allowed, Variable
from roomcast.uploads.templates import DEFAULT as DEFAULT_TEMPLATE
from roomcast.uploads.templates import Template, TemplateFileError, Templates, parse_tables


class AssemblySettings(SettingsGroup):
    """Templates, webhooks and the queue of step messages."""

    templates: Path | None = Field(None, description="TOML file with `[templates.NAME]` tables.")
    config: Path | None = Field(
        None,
        description="Configuration file with `hooks`, the modules of an application that `roomcast serve` and "
        "`roomcast worker` import, and `[templates.NAME]` tables. The default is `roomcast.toml` in the working "
        "directory, if there is one.",
    )
    files_template: str = Field(
        DEFAULT_TEMPLATE, description="Template of `/api/files/upload` when the form names none."
    )
    branch: str = Field("main", min_length=1, max_length=100, description="The `branch` reported for assemblies.")
    webhook_private: bool = Field(False, description="1 allows webhooks to private and loopback addresses.")
    sqs_progress_queue_url: Annotated[
        str | None,
        Variable("SQS_PROGRESS_QUEUE_URL"),
        Allowed("the http:// or https:// URL of a queue that ends in .fifo"),
    ] = Field(
        None, pattern=r"^https?://.*\.fifo$", description="SQS FIFO queue that the step messages are sent to as well."
    )
    sqs_progress_queue_name: Annotated[
        str | None,
        Variable("SQS_PROGRESS_QUEUE_NAME"),
        Allowed("a name of letters, digits, - and _ that ends in .fifo, such as myapp-progress.fifo"),
    ] = Field(
        None,
        pattern=r"^[A-Za-z0-9_-]{1,75}\.fifo$",
        description="Name of that queue in the account, such as `myapp-progress.fifo`, instead of its URL.",
    )
    sqs_message_group: Annotated[Literal["submission", "upload"], Variable("SQS_MESSAGE_GROUP")] = Field(
        "submission",
        description="Scope of the order of messages: `submission`, or `upload`, which lets a consumer read several "
        "files in parallel.",
    )
    sqs_batch_size: Annotated[int, Variable("SQS_BATCH_SIZE")] = Field(
        10, ge=1, le=10, description="Messages in one request to SQS, 1 to 10."
    )

    @model_validator(mode="after")
    def _name_one_queue(self) -> Self:
        if self.sqs_progress_queue_url and self.sqs_progress_queue_name:
            raise ValueError("SQS_PROGRESS_QUEUE_URL and SQS_PROGRESS_QUEUE_NAME: set one of them, not both.")
        return self

    @property
    def publishes(self) -> bool:
        """Whether step messages are sent to an SQS queue."""
        return bool(self.sqs_progress_queue_url or self.sqs_progress_queue_name)

    @cached_property
    def config_file(self) -> ConfigFile | None:
        """The parsed configuration file; None if there is none. Raises `ConfigFileError`."""
        if self.config is None and not DEFAULT_CONFIG.is_file():
            return None
        return read_config_file(self.config or DEFAULT_CONFIG)

    @cached_property
    def loaded_templates(self) -> Templates:
        """The built-in templates, those of the configuration file, and those of the template file, the last first."""
        config = self.config_file
        found = [*(config.templates if config else ()), *(_read_templates(self.templates) if self.templates else ())]
        return Templates({template.name: template for template in found})


def load_templates(path: Path) -> Templates:
    """Return the built-in templates and those of a TOML file. Raise `TemplateFileError`."""
    return Templates({template.name: template for template in _read_templates(path)})


def _read_templates(path: Path) -> list[Template]:
    try:
        return parse_tables(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise TemplateFileError(f"The template file {path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise TemplateFileError(f"The template file {path} cannot be read: it is not UTF-8.") from error
    except TemplateFileError as error:
        raise TemplateFileError(f"The template file {path} is not valid. {error}") from error
