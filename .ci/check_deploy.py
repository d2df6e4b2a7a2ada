"""`manage.py check --deploy` under the production settings: no warning is accepted, no server is needed."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

BACKEND = Path(__file__).resolve().parents[1] / "backend"


def main() -> int:
    """The exit code of the check."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    variables = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "config.settings.railway",
        "SECRET_KEY": secrets.token_urlsafe(64),
        "DATABASE_URL": "postgresql://postgres:none@127.0.0.1:1/railway",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "ALLOWED_HOSTS": "api.posx.test",
        "AUTH0_DOMAIN": "posx.test",
        "AUTH0_AUDIENCE": "https://api.posx.test",
        "STRIPE_SECRET_KEY": "sk_test_none",
        "STRIPE_WEBHOOK_SECRETS": "whsec_none",
        "FIREBLOCKS_API_KEY": "none",
        "FIREBLOCKS_PRIVATE_KEY": key.private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ).decode(),
    }
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    return subprocess.run(command, cwd=BACKEND, env=variables, check=False).returncode  # noqa: S603 - our own command


if __name__ == "__main__":
    sys.exit(main())
