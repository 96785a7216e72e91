"""A sample with a spelling mistake in the name of a hook."""

from app.plugins.api import About, hookimpl

PLUGIN = About(title="Misspelt", version="1.0.0", author="Sample authors", description="Implements a hook that there is not.")


@hookimpl
def lettermill_filter_recipents() -> None:
    return None
