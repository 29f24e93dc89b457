"""Sound, pictures and moderation: other bodies than JSON, in both directions."""

import base64

from openai import OpenAI

import report
from world import BASE_URL, IMAGE_MODEL, MODERATION_MODEL, OTHER_KEY, SPEECH_MODEL, TRANSCRIPTION_MODEL

client = OpenAI(base_url=BASE_URL, api_key=OTHER_KEY, max_retries=0)
PNG = b"\x89PNG\r\n\x1a\n"
RECORDING = ("talk.wav", bytes(3_000_000), "audio/wav")


def speaks():
    whole = client.audio.speech.create(model=SPEECH_MODEL, voice="alloy", input="one two three")
    assert len(whole.content) > 0
    with client.audio.speech.with_streaming_response.create(
        model=SPEECH_MODEL, voice="alloy", input="one two three"
    ) as answer:
        assert b"".join(answer.iter_bytes()) == whole.content


def transcribes():
    transcript = client.audio.transcriptions.create(model=TRANSCRIPTION_MODEL, file=RECORDING)
    # The simulated upstream says how much of the file arrived.
    assert "3000000" in transcript.text, transcript
    plain = client.audio.transcriptions.create(model=TRANSCRIPTION_MODEL, file=RECORDING, response_format="text")
    assert plain.strip() == transcript.text.strip(), plain
    translation = client.audio.translations.create(model=TRANSCRIPTION_MODEL, file=RECORDING)
    assert "3000000" in translation.text, translation


def streams_a_transcript():
    events = list(client.audio.transcriptions.create(model=TRANSCRIPTION_MODEL, file=RECORDING, stream=True))
    text = "".join(event.delta for event in events if event.type == "transcript.text.delta")
    assert events[-1].type == "transcript.text.done" and events[-1].text.strip() == text.strip(), events[-1]


def paints():
    made = client.images.generate(model=IMAGE_MODEL, prompt="a small boat", response_format="b64_json")
    picture = base64.b64decode(made.data[0].b64_json)
    assert picture.startswith(PNG), picture[:16]
    edited = client.images.edit(model=IMAGE_MODEL, prompt="a larger boat", image=("boat.png", picture, "image/png"))
    assert base64.b64decode(edited.data[0].b64_json).startswith(PNG)


def moderates():
    answer = client.moderations.create(model=MODERATION_MODEL, input=["a kind word", "another one"])
    assert [result.flagged for result in answer.results] == [False, False], answer


speaks()
transcribes()
streams_a_transcript()
paints()
moderates()
report.done()
