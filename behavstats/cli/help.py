"""The help of the command line: daily commands first, arguments as a user types them."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from typer._click import Context, HelpFormatter

_Function = TypeVar("_Function", bound=Callable[..., Any])

_SECTIONS = {
    "Every day": ("ingest", "watch", "profile", "serve", "stats"),
    "Rejected lines and followed files": ("rejects", "sources"),
    "The data of one user": ("export", "forget"),
    "Maintenance": ("check", "backup", "restore", "keys"),
}
_OTHERS = "More"


class Command(TyperCommand):
    """A command that shows an argument as `FILE...`; Typer shows `{FILE...}... <list[str]>`."""

    def collect_usage_pieces(self, ctx: "Context") -> list[str]:
        """Return the words of the usage line that follow the command's name."""
        return [self.options_metavar or "", *(name for name, _ in self._arguments(ctx))]

    def format_options(self, ctx: "Context", formatter: "HelpFormatter") -> None:
        """Write a section for the arguments, and another one for the options."""
        if arguments := self._arguments(ctx):
            with formatter.section("Arguments"):
                formatter.write_dl(arguments)
        params = [one for one in self.get_params(ctx) if one.param_type_name == "option"]
        records = (option.get_help_record(ctx) for option in params)
        with formatter.section("Options"):
            formatter.write_dl([record for record in records if record])

    def _arguments(self, ctx: "Context") -> list[tuple[str, str]]:
        """Return the name and the help of each argument."""
        params = [one for one in self.get_params(ctx) if one.param_type_name == "argument"]
        helps = (argument.get_help_record(ctx) for argument in params)
        return [
            (argument.metavar or argument.name or "", record[1])
            for argument, record in zip(params, helps, strict=True)
            if record
        ]


class Group(TyperGroup):
    """The whole program. It lists its commands in sections, each with the start of its help."""

    def format_commands(self, ctx: "Context", formatter: "HelpFormatter") -> None:
        """Write a section for each group of commands, with one sentence for each command."""
        known = {name for names in _SECTIONS.values() for name in names}
        others = tuple(name for name in self.list_commands(ctx) if name not in known)
        width = max(map(len, self.commands))
        for title, names in {**_SECTIONS, _OTHERS: others}.items():
            there = [name for name in names if name in self.commands]
            rows = [(name.ljust(width), self._summary(name)) for name in there]
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)

    def _summary(self, name: str) -> str:
        help_ = self.commands[name].help or ""
        return help_.partition("\n\n")[0]


class Application(typer.Typer):
    """A Typer application whose commands are `Command`s."""

    def command(
        self,
        name: str | None = None,
        **options: Any,  # noqa: ANN401  Typer's, as they are
    ) -> Callable[[_Function], _Function]:
        """Register a command."""
        return super().command(name, cls=Command, **options)
