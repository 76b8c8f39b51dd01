"""Who talks to the API server and how: keys, tokens and kubeconfigs of a rig."""

import base64
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Everything of the rig itself may do everything; only what is under test goes through RBAC.
_ALL_RIGHTS = "system:masters"
# RFC 5915: an EC private key of the curve P-256 is this frame around a number below the group's
# order. The order begins with 32 one bits, so 32 random bytes with the top bit cleared will do.
_EC_KEY_FRAME = (bytes.fromhex("30310201010420"), bytes.fromhex("a00a06082a8648ce3d030107"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """An API server as its clients see it."""

    url: str
    ca_file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccountAccess:
    """A kubeconfig that reads its token from a file, as a pod's projected token is read."""

    kubeconfig: Path
    token_file: Path


def write_signing_key(path: Path) -> None:
    """A new key to sign ServiceAccount tokens with, in PEM."""
    secret = bytearray(secrets.token_bytes(32))
    secret[0] &= 0x7F
    der = _EC_KEY_FRAME[0] + bytes(secret) + _EC_KEY_FRAME[1]
    text = base64.encodebytes(der).decode()
    path.write_text(f"-----BEGIN EC PRIVATE KEY-----\n{text}-----END EC PRIVATE KEY-----\n")


def write_tokens(path: Path, users: tuple[str, ...]) -> dict[str, str]:
    """A static token for each user, with every right; the file is for the API server."""
    tokens = {user: secrets.token_hex(16) for user in users}
    lines = [f'{token},{user},{user},"{_ALL_RIGHTS}"\n' for user, token in tokens.items()]
    path.write_text("".join(lines))
    return tokens


def write_kubeconfig(path: Path, server: Server, user: str, credentials: dict[str, str]) -> Path:
    """A kubeconfig (JSON is YAML) for one user; credentials are `token` or `tokenFile`."""
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "rig",
                "cluster": {"server": server.url, "certificate-authority": str(server.ca_file)},
            }
        ],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": "rig", "context": {"cluster": "rig", "user": user}}],
        "current-context": "rig",
    }
    path.write_text(json.dumps(config, indent=2))
    path.chmod(0o600)
    return path
