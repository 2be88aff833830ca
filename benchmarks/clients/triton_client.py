"""Triton's HTTP client, the plain one and the one for asyncio."""

import asyncio
import inspect
from typing import Any

import numpy as np
import tritonclient.http
import tritonclient.http.aio
from sample_records import BAD, RECORDS, REFUSAL, Answers, address, call, columns, expect
from tritonclient.http import InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

CLIENT = "tritonclient"


def write_inputs(records: list[dict[str, Any]], *, is_binary: bool) -> list[InferInput]:
    """Write an input per field; a gap is NaN."""
    found = []
    for name, kind, column, dtype in columns(records):
        values = np.array(column, dtype=dtype)
        one = InferInput(name, list(values.shape), kind)
        one.set_data_from_numpy(values, binary_data=is_binary)
        found.append(one)
    return found


def check_values(answer: Any, right: Answers) -> None:
    """Compare the predicted classes."""
    expect([[value] for value in right.values], answer.as_numpy("predict").tolist())


async def given(found: Any) -> Any:
    """Give what a client gives, awaited where that is needed."""
    return await found if inspect.isawaitable(found) else found


async def ask_state(client: Any, way: str) -> None:
    """Ask for health and descriptions."""
    with call(CLIENT, f"{way}: live"):
        expect(True, await given(client.is_server_live()))
    with call(CLIENT, f"{way}: ready"):
        expect(True, await given(client.is_server_ready()))
    with call(CLIENT, f"{way}: model ready"):
        expect(True, await given(client.is_model_ready("credit")))
    with call(CLIENT, f"{way}: model ready, one that is not there"):
        expect(False, await given(client.is_model_ready("nothing")))
    with call(CLIENT, f"{way}: server metadata"):
        found = await given(client.get_server_metadata())
        expect(["binary_tensor_data"], found["extensions"])
    with call(CLIENT, f"{way}: model metadata"):
        found = await given(client.get_model_metadata("credit"))
        expect(list(RECORDS[0]), [one["name"] for one in found["inputs"]])
        version = found["versions"][-1]
    with call(CLIENT, f"{way}: model ready, by version"):
        expect(True, await given(client.is_model_ready("credit", version)))
    with call(CLIENT, f"{way}: repository index"):
        found = await given(client.get_model_repository_index())
        expect({"credit": "READY"}, {one["name"]: one["state"] for one in found})


async def ask_predictions(client: Any, way: str, right: Answers) -> None:
    """Ask for predictions in every form."""
    for is_binary, form in ((True, "binary"), (False, "JSON")):
        inputs = write_inputs(RECORDS, is_binary=is_binary)
        with call(CLIENT, f"{way}: infer, {form} in"):
            answer = await given(client.infer("credit", inputs))
            check_values(answer, right)
        with call(CLIENT, f"{way}: infer, {form} out"):
            outputs = [
                InferRequestedOutput(name, binary_data=is_binary)
                for name in ("predict_proba", "predict")
            ]
            answer = await given(client.infer("credit", inputs, outputs=outputs))
            check_values(answer, right)
            expect(right.shares, answer.as_numpy("predict_proba").tolist())
        for packing in ("gzip", "deflate"):
            with call(CLIENT, f"{way}: infer, {form}, {packing}"):
                check_values(
                    await given(
                        client.infer("credit", inputs, request_compression_algorithm=packing)
                    ),
                    right,
                )
    with call(CLIENT, f"{way}: infer, request id, content type pd and version"):
        found = await given(client.get_model_metadata("credit"))
        answer = await given(
            client.infer(
                "credit", inputs, model_version=found["versions"][-1], request_id="seven",
                parameters={"content_type": "pd"},
            )
        )  # fmt: skip
        check_values(answer, right)
        expect("seven", answer.get_response()["id"])
        expect("pd", answer.get_response()["parameters"]["content_type"])


async def ask_refusals(client: Any, way: str) -> None:
    """Ask what is refused: the reason has to reach the caller."""
    with call(CLIENT, f"{way}: infer, a value out of range"):
        try:
            await given(client.infer("credit", write_inputs([BAD], is_binary=True)))
        except InferenceServerException as error:
            expect((True, "400"), (REFUSAL in error.message(), str(error.status())))
        else:
            raise ValueError("it was not refused")
    with call(CLIENT, f"{way}: infer, no such model"):
        try:
            await given(client.infer("nothing", write_inputs([BAD], is_binary=True)))
        except InferenceServerException as error:
            expect((True, "404"), ("'nothing'" in error.message(), str(error.status())))
        else:
            raise ValueError("it was not refused")


async def main() -> None:
    """Ask everything twice."""
    right = Answers(address(), RECORDS)
    place = address().removeprefix("http://")
    for way, module in (("sync", tritonclient.http), ("aio", tritonclient.http.aio)):
        client = module.InferenceServerClient(place)
        await ask_state(client, way)
        await ask_predictions(client, way, right)
        await ask_refusals(client, way)
        await given(client.close())


if __name__ == "__main__":
    asyncio.run(main())
