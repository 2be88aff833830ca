"""MLServer's codecs: a frame to a request, an answer to a frame; and its command."""

import json
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

import pandas as pd
from mlserver.codecs import NumpyCodec, PandasCodec
from mlserver.types import InferenceRequest, InferenceResponse, RequestOutput
from sample_records import BAD, RECORDS, REFUSAL, Answers, address, call, expect

CLIENT = "mlserver"


def ask(request: InferenceRequest) -> InferenceResponse:
    """Post a request as MLServer's types write it."""
    asked = urllib.request.Request(  # noqa: S310 - our own address
        f"{address()}/v2/models/credit/infer",
        request.model_dump_json(exclude_none=True).encode(),
    )
    with urllib.request.urlopen(asked) as answer:  # noqa: S310
        return InferenceResponse.model_validate_json(answer.read())


def main() -> None:
    """Ask everything."""
    right = Answers(address(), RECORDS)
    frame = pd.DataFrame(RECORDS)
    for use_bytes in (False, True):
        with call(CLIENT, f"PandasCodec round trip, use_bytes={use_bytes}"):
            answer = ask(PandasCodec.encode_request(frame, use_bytes=use_bytes))
            expect(right.values, PandasCodec.decode_response(answer)["predict"].tolist())
    with call(CLIENT, "PandasCodec in, NumpyCodec out, predict_proba"):
        request = PandasCodec.encode_request(frame, use_bytes=False)
        request.outputs = [RequestOutput(name="predict_proba"), RequestOutput(name="predict")]
        shares, values = map(NumpyCodec.decode_output, ask(request).outputs)
        expect(right.shares, shares.tolist())
        expect(right.values, values.ravel().tolist())
    with call(CLIENT, "PandasCodec, a value out of range"):
        try:
            ask(PandasCodec.encode_request(pd.DataFrame([BAD]), use_bytes=False))
        except urllib.error.HTTPError as error:
            text = json.loads(error.read())["error"]
            expect((True, 400), (REFUSAL in text, error.code))
        else:
            raise ValueError("it was not refused")
    with call(CLIENT, "mlserver infer, a request a line"):
        expect(right.values, ask_by_command(frame))


def ask_by_command(frame: pd.DataFrame) -> list[bool]:
    """Let the command ask for each row; give the predicted classes."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder, "in.txt"), Path(folder, "out.txt")
        rows = [frame.iloc[[place]] for place in range(len(frame))]
        requests = [PandasCodec.encode_request(row, use_bytes=False) for row in rows]
        lines = [one.model_dump_json(exclude_none=True) + "\n" for one in requests]
        asked.write_text("".join(lines))
        command = [
            str(Path(sys.executable).with_name("mlserver")), "infer", "-m", "credit",
            "-u", address().removeprefix("http://"), "-i", str(asked), "-o", str(answered),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise ValueError(done.stderr[-500:])
        answers = [json.loads(line) for line in answered.read_text().splitlines()]
    answers.sort(key=lambda one: one["parameters"]["batch_index"])
    return [one["outputs"][0]["data"][0] for one in answers]


if __name__ == "__main__":
    main()
