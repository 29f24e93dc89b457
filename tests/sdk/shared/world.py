"""What the scripts are told by their environment."""

import json
import os
import urllib.request


def told(name):
    value = os.environ.get(name)
    assert value, f"{name} is not set: the scripts are run by tests/tests/e2e/libraries"
    return value


# Without and with /v1.
ROOT_URL = told("MAAS_ROOT_URL")
BASE_URL = told("MAAS_BASE_URL")

# What this key is used for must be reported, see report.py; everything else goes on the account of the other one.
API_KEY = told("MAAS_API_KEY")
OTHER_KEY = told("MAAS_OTHER_KEY")
UNKNOWN_KEY = told("MAAS_UNKNOWN_KEY")
REVOKED_KEY = told("MAAS_REVOKED_KEY")

CHAT_MODEL = told("MAAS_CHAT_MODEL")
SLASHED_MODEL = told("MAAS_SLASHED_MODEL")
EMBEDDING_MODEL = told("MAAS_EMBEDDING_MODEL")
# For requests whose usage nobody reports: streams without usage, streams that are left.
OTHER_MODEL = told("MAAS_OTHER_MODEL")
# Its upstream is gone.
DEAD_MODEL = told("MAAS_DEAD_MODEL")
# Its upstream misbehaves as flaky() says.
FLAKY_MODEL = told("MAAS_FLAKY_MODEL")
# Their upstream speaks Anthropic's API; the usage of the second one is not reported.
ANTHROPIC_MODEL = told("MAAS_ANTHROPIC_MODEL")
OTHER_ANTHROPIC_MODEL = told("MAAS_OTHER_ANTHROPIC_MODEL")
# Its upstream is an Azure resource.
AZURE_MODEL = told("MAAS_AZURE_MODEL")
# Their upstream speaks the Responses API; the usage of the second one is not reported.
RESPONSES_MODEL = told("MAAS_RESPONSES_MODEL")
OTHER_RESPONSES_MODEL = told("MAAS_OTHER_RESPONSES_MODEL")
SPEECH_MODEL = told("MAAS_SPEECH_MODEL")
TRANSCRIPTION_MODEL = told("MAAS_TRANSCRIPTION_MODEL")
IMAGE_MODEL = told("MAAS_IMAGE_MODEL")
MODERATION_MODEL = told("MAAS_MODERATION_MODEL")

QUESTION = "say something about the sea"
QUESTION_WORDS = 5
# Calls of an upstream for one request.
PLATFORM_ATTEMPTS = 3


def flaky(**behaviour):
    """What the flaky model's upstream does from now on; without arguments it is well."""
    body = {"required_api_key": told("MAAS_FLAKY_UPSTREAM_KEY"), **behaviour}
    url = told("MAAS_FLAKY_UPSTREAM") + "/_behaviour"
    request = urllib.request.Request(url, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 204, answer.status


def words(text):
    """The simulated upstream's tokens."""
    return len(text.split())
