"""An S3 server: moto's, as a program of its own."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from typing import Any

import boto3

BUCKET = "cloud-wiki-backups"
KEYS = {"access_key": "the-access-key", "secret_key": "the-secret-of-the-bucket"}


class S3Server:
    """Runs until `stop`. `options`: what Django's storage needs to reach its bucket."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "NO_PROXY": "127.0.0.1"},
        )
        self._wait()
        self.client = boto3.client(
            "s3",
            endpoint_url=self.address,
            region_name="us-east-1",
            aws_access_key_id=KEYS["access_key"],
            aws_secret_access_key=KEYS["secret_key"],
        )
        self.client.create_bucket(Bucket=BUCKET)

    @property
    def options(self) -> dict[str, Any]:
        return {
            "bucket_name": BUCKET,
            "endpoint_url": self.address,
            "region_name": "us-east-1",
            **KEYS,
            "location": "cloud-wiki",
            "default_acl": None,
            "file_overwrite": False,
            "addressing_style": "path",
        }

    def objects(self) -> dict[str, int]:
        """What is in the bucket: names and sizes in bytes."""
        found = self.client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {entry["Key"]: entry["Size"] for entry in found}

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def _wait(self) -> None:
        end = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{self.address}/moto-api/", timeout=5).close()
                return
            except OSError:
                if time.monotonic() > end or self._process.poll() is not None:
                    raise
                time.sleep(0.1)
