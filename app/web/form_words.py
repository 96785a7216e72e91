"""What forms say of themselves: WTForms' own messages out of our catalogues, and the limit of a text in our words."""

from __future__ import annotations

from flask_babel import get_domain
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms.validators import Length

from app.words import marked, words_of

# WTForms' sentences that our pages can show; its own catalogues are not asked, so that a language is whole with ours.
OF_WTFORMS = (
    marked("Not a valid choice."),
    marked("Not a valid integer value."),
    marked("Not a valid datetime value."),
    marked("Invalid Choice: could not coerce."),
    marked("Invalid choice(s): one or more data inputs could not be coerced."),
    words_of(1, "'%(value)s' is not a valid choice for this field.", "'%(value)s' are not valid choices for this field.", value=""),
)


class _OurCatalogues:
    """The translations that WTForms asks; it fills in the values itself."""

    @staticmethod
    def gettext(text: str) -> str:
        return str(get_domain().get_translations().ugettext(text))

    @staticmethod
    def ngettext(one: str, many: str, count: int) -> str:
        return str(get_domain().get_translations().ungettext(one, many, count))


class Form(FlaskForm):
    """A form of ours: it speaks the reader's language wherever the page does."""

    class Meta(FlaskForm.Meta):
        """Where the messages come from."""

        def get_translations(self, _form: FlaskForm) -> _OurCatalogues:
            """Return our catalogues."""
            return _OurCatalogues()


def at_most(most: int) -> Length:
    """Return the rule that a text has no more than so many characters."""
    return Length(max=most, message=_l("Use %(max)d characters or fewer."))
