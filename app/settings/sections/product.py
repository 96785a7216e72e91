"""What the product is called."""

from __future__ import annotations

from app.settings.schema import section, text
from app.words import words


@section("product", title="Product", group="System and you", place=10)
class ProductSettings:
    """The name that stands on every page and in every mail of the platform itself."""

    name: str = text("Product name", default="Lettermill", max=60, required=words("Give the product a name; it stands on every page."),
                     help="Stands on every page and in every mail of the platform itself.")
