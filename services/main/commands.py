"""How commands end when the world is broken. Imports next to nothing: every command pays for it."""

import click


class Commands(click.Group):
    """All commands; what is broken in the world is said in plain words, without a trace of code."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; ClickException (exit 1) for what `words.plain` knows."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            from services.main.words import plain

            if isinstance(error, click.ClickException) or not (words := plain(error)):
                raise
            _log_end(ctx.invoked_subcommand or "", error)
            raise click.ClickException(words) from error


def _log_end(command: str, error: Exception) -> None:
    """Where a process that should have stayed was when it ended: the terminal's words do not say."""
    import structlog

    from shared.logs import where

    if command in ("serve", "relay", "exchange", "http"):
        structlog.get_logger().critical("process_ended", error=type(error).__name__, where=where(error))
