"""Fetch the vendored front-end files again, build the icon sprite and the code view, and write VENDOR.md.

Run from the repository's root with Node's ``npm`` on the path: ``python docs/tools/front_end_files.py``. The files stay byte for byte
what their makers published; ``tests/contracts/test_vendored_files.py`` compares them with the hashes in VENDOR.md. The code view is
bundled from the packages that ``docs/tools/code_view/package-lock.json`` pins, by the esbuild that it pins: the same bytes each time.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

VENDOR = Path("app/static/vendor")
BROWSER_TESTS = Path("tests/browser/vendor")
SPRITE = Path("app/static/icons.svg")
CODE_VIEW = Path("docs/tools/code_view")
BUNDLE = VENDOR / "codemirror.js"
BUNDLING = ("--bundle", "--format=esm", "--minify", "--legal-comments=none", "--charset=utf8", "--target=es2022")


@dataclass(frozen=True)
class Package:
    """One npm package: what we take from it, and where it goes."""

    name: str
    version: str
    licence: str
    files: dict[str, Path]
    licence_file: str | None = "LICENSE"

    @property
    def slug(self) -> str:
        """The package's name as a file name."""
        return self.name.lstrip("@").replace("/", "-")


FONTS = VENDOR / "fonts"
PACKAGES = (
    Package("htmx.org", "4.0.1", "0BSD", {"dist/htmx.min.js": VENDOR / "htmx.min.js"}),
    Package("@tabler/core", "1.6.1", "MIT", {
        "dist/css/tabler.min.css": VENDOR / "tabler.min.css",
        "dist/css/tabler.rtl.min.css": VENDOR / "tabler.rtl.min.css",
    }, licence_file=None),  # The package ships no licence file; licences/tabler-core.txt is the text its README points at.
    Package("@tabler/icons", "3.51.0", "MIT", {}),
    Package("@fontsource-variable/inter", "5.3.0", "OFL-1.1", {
        f"files/inter-{subset}-wght-normal.woff2": FONTS / f"inter-{subset}.woff2" for subset in ("latin", "latin-ext")
    }),
    Package("@fontsource-variable/jetbrains-mono", "5.3.0", "OFL-1.1", {
        f"files/jetbrains-mono-{subset}-wght-normal.woff2": FONTS / f"jetbrains-mono-{subset}.woff2" for subset in ("latin", "latin-ext")
    }),
    Package("@fontsource-variable/vazirmatn", "5.3.0", "OFL-1.1", {
        "files/vazirmatn-arabic-wght-normal.woff2": FONTS / "vazirmatn-arabic.woff2",
    }),
    Package("axe-core", "4.14.1", "MPL-2.0", {"axe.min.js": BROWSER_TESTS / "axe.min.js"}),
)

OUTLINE_ICONS = """
    abc alert-circle activity activity-heartbeat address-book adjustments adjustments-alt alarm alert-octagon alert-triangle align-center
    align-left align-right api archive arrow-back-up arrow-down arrow-forward-up arrow-left arrow-right arrow-up arrows-sort
    arrows-split at badge ban barrier-block bell bold bolt book braces brackets bug building building-store building-warehouse bulb
    calendar calendar-event calendar-time cash certificate chart-bar chart-donut chart-histogram chart-line check checklist
    chevron-down chevron-left chevron-right chevron-up circle-check circle-dashed circle-minus circle-plus circle-x click clipboard
    clipboard-check clock clock-pause clock-play cloud cloud-download cloud-off cloud-upload code code-dots coin columns confetti
    copy corner-down-right cpu credit-card cursor-text database database-export database-import database-off device-desktop
    device-laptop device-mobile door-enter door-exit dots dots-vertical download edit external-link eye eye-off file file-code
    file-download file-export file-import file-text file-upload filter fingerprint flag flask folder folder-open forms gauge gift
    git-branch grip-vertical hand-stop hash heading help-circle history home hourglass id inbox inbox-off info-circle invoice italic
    key keyboard language layout layout-dashboard layout-grid layout-list lifebuoy line-dashed link link-off list list-check
    list-details list-search lock lock-open login logout mail mail-check mail-cog mail-forward mail-off mail-opened mailbox map-pin
    menu-2 message-2 message-reply minus mood-sad moon note notes palette pencil percentage photo photo-plus plane player-pause
    player-play player-skip-forward player-stop player-track-next plug plug-connected plus printer puzzle receipt refresh reload
    repeat replace report report-analytics robot rocket rosette-discount-check rotate route search selector send send-2 send-off
    separator server server-2 settings shield shield-check shield-half shield-lock shopping-cart signature sort-ascending
    sort-descending spy square square-x stack-2 star stethoscope sun tag template terminal-2 text-size thumb-down toggle-left tool
    transfer-in transfer-out trash trending-down trending-up typography underline unlink upload user user-check user-circle user-cog
    user-minus user-off user-plus user-x users users-group variable versions webhook wifi-off world world-www writing x zzz
""".split()  # noqa: SIM905 - a list this long reads better as words
FILLED_ICONS = ("alert-circle", "circle-check", "point")


def main() -> None:
    """Fetch, copy, build and write down."""
    with tempfile.TemporaryDirectory() as folder:
        roots = {package.name: _unpacked(package, Path(folder)) for package in PACKAGES}
        for package in PACKAGES:
            _copy(package, roots[package.name])
        SPRITE.write_text(sprite(roots["@tabler/icons"] / "icons"), encoding="utf-8")
        bundled = _bundle(Path(folder) / "code_view")
    (VENDOR / "VENDOR.md").write_text(_table(bundled), encoding="utf-8")


def _bundle(folder: Path) -> list[tuple[str, str, str]]:
    """Bundle the code view; return the name, version and licence of every package that is in it."""
    shutil.copytree(CODE_VIEW, folder)
    subprocess.run(["npm", "ci", "--silent", "--ignore-scripts"], cwd=folder, check=True)  # noqa: S607
    command = ["node_modules/.bin/esbuild", "entry.js", *BUNDLING, f"--outfile={BUNDLE.resolve()}", "--metafile=made.json", "--log-level=warning"]
    subprocess.run(command, cwd=folder, check=True)  # noqa: S603
    inputs = json.loads((folder / "made.json").read_text(encoding="utf-8"))["outputs"].popitem()[1]["inputs"]
    names = {found[1] for name, part in inputs.items() if part["bytesInOutput"] and (found := re.match(r"node_modules/((?:@[^/]+/)?[^/]+)/", name))}
    return [_bundled(folder / "node_modules" / name) for name in sorted(names)]


def _bundled(root: Path) -> tuple[str, str, str]:
    said = json.loads((root / "package.json").read_text(encoding="utf-8"))
    licence = VENDOR / "licences" / (said["name"].lstrip("@").replace("/", "-") + ".txt")
    licence.write_bytes((root / "LICENSE").read_bytes())
    return said["name"], said["version"], said["license"]


def _unpacked(package: Package, folder: Path) -> Path:
    command = ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
    packed = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.split()[-1]  # noqa: S603
    target = folder / package.slug
    with tarfile.open(folder / packed) as archive:
        archive.extractall(target, filter="data")
    return target / "package"


def _copy(package: Package, root: Path) -> None:
    for source, target in package.files.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((root / source).read_bytes())
    if package.licence_file is None:
        return
    licence = VENDOR / "licences" / f"{package.slug}.txt"
    licence.parent.mkdir(parents=True, exist_ok=True)
    licence.write_bytes((root / package.licence_file).read_bytes())


def sprite(icons: Path) -> str:
    """Return one SVG whose symbols are the icons we use, named as Tabler names them; filled ones end in ``-filled``."""
    symbols = [_symbol(icons / "outline" / f"{name}.svg", name) for name in OUTLINE_ICONS]
    symbols += [_symbol(icons / "filled" / f"{name}.svg", f"{name}-filled") for name in FILLED_ICONS]
    return "\n".join(['<svg xmlns="http://www.w3.org/2000/svg">', *symbols, "</svg>", ""])


def _symbol(file: Path, name: str) -> str:
    shapes = re.findall(r"<(?:path|circle|rect|line|ellipse|polyline)\b[^>]*/>", file.read_text(encoding="utf-8"))
    drawn = "".join(shape for shape in shapes if 'd="M0 0h24v24H0z"' not in shape)
    return f'<symbol id="{name}" viewBox="0 0 24 24">{drawn}</symbol>'


def _table(bundled: list[tuple[str, str, str]]) -> str:
    rows = [
        f"| {package.name} | {package.version} | {package.licence} | `{target.as_posix()}` | `{_sha256(target)}` |"
        for package in PACKAGES for target in package.files.values()
    ]
    rows.append(f"| @tabler/icons (our choice of symbols) | 3.51.0 | MIT | `{SPRITE.as_posix()}` | `{_sha256(SPRITE)}` |")
    made = f"`{BUNDLE.as_posix()}` | `{_sha256(BUNDLE)}`"
    rows += [f"| {name} (bundled) | {version} | {licence} | {made} |" for name, version, licence in bundled]
    return HEAD + "\n".join(rows) + "\n"


HEAD = """# Vendored front-end files

Every file is byte for byte what its maker published on npm; only the icon sprite and the code view (`codemirror.js`) are put together by
us. The code view is one ES module, bundled by esbuild from the packages below; `docs/tools/code_view/` says what of them it has and pins
every version. The licences stand in `licences/`. `python docs/tools/front_end_files.py` fetches all of it again and writes this page; a
test compares the hashes.
Tabler's scripts are left out: dialogs, menus and drawers are native elements, made easier by our own small modules.

| Package | Version | Licence | File | SHA-256 |
|---|---|---|---|---|
"""


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
