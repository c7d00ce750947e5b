"""S3 as a process of its own: moto, with one user whose key it checks. The environment says how it is reached."""

import contextlib
import dataclasses
import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator

from lacking import missing

#: What the server's process does: it says on its first line how it is reached, and ends with its input.
_PROGRAM = """
import json, logging, sys, warnings
warnings.simplefilter("ignore")
import boto3
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
url = "http://%s:%s" % server.get_host_and_port()
known = dict(endpoint_url=url, region_name="eu-central-1", aws_access_key_id="none", aws_secret_access_key="none")
iam = boto3.client("iam", **known)
iam.create_user(UserName="flows")
allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
iam.put_user_policy(UserName="flows", PolicyName="all", PolicyDocument=json.dumps(allowed))
key = iam.create_access_key(UserName="flows")["AccessKey"]
for bucket in ("flows", "results"):
    boto3.client("s3", **known).create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
import urllib3
urllib3.request("POST", url + "/moto-api/reset-auth", body=b"0")
print(json.dumps({"url": url, "key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}), flush=True)
sys.stdin.read()
"""


@dataclasses.dataclass(frozen=True)
class Server:
    """There are the buckets `flows` and `results`."""

    url: str
    key: str
    secret: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": "eu-central-1",
        }


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    if lacks := [name for name in ("moto", "flask", "obstore") if importlib.util.find_spec(name) is None]:
        missing(f"not installed: {', '.join(lacks)}; object stores are not tested")
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        while line and not line.startswith("{"):
            line = process.stdout.readline()
        yield Server(**json.loads(line))
    finally:
        process.stdin.close()
        process.kill()
        process.wait(10)
        process.stdout.close()
