"""Flask's own extensions, made once and bound to the house by create_app."""

from __future__ import annotations

from pathlib import Path

from flask_login import LoginManager
from flask_migrate import Migrate
from flask_wtf import CSRFProtect

login_manager = LoginManager()
csrf = CSRFProtect()
migrate = Migrate(directory=str(Path(__file__).parent.parent / "migrations"), render_as_batch=True, compare_type=True)
