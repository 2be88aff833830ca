"""KServe's REST client, over the Open Inference Protocol V2 and over V1."""

import asyncio
from typing import Any

import httpx
import numpy as np
from kserve import InferInput, InferRequest
from kserve.inference_client import InferenceRESTClient, RESTConfig
from sample_records import BAD, RECORDS, REFUSAL, Answers, address, call, columns, expect

CLIENT = "kserve"


def write_request(records: list[dict[str, Any]], *, is_binary: bool) -> InferRequest:
    """Write an input per field; a gap is NaN."""
    found = []
    for name, kind, column, dtype in columns(records):
        values = np.array(column, dtype=dtype)
        one = InferInput(name, list(values.shape), kind)
        one.set_data_from_numpy(values, binary_data=is_binary)
        found.append(one)
    return InferRequest("credit", found, request_id="seven")


async def ask_v2(right: Answers) -> None:
    """Ask over the Open Inference Protocol."""
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    with call(CLIENT, "V2: live"):
        expect(True, await client.is_server_live(address()))
    with call(CLIENT, "V2: ready"):
        expect(True, await client.is_server_ready(address()))
    with call(CLIENT, "V2: model ready"):
        expect(True, await client.is_model_ready(address(), "credit"))
    for is_binary, form in ((False, "JSON"), (True, "binary")):
        with call(CLIENT, f"V2: infer, {form}"):
            request = write_request(RECORDS, is_binary=is_binary)
            answer = await client.infer(address(), request, model_name="credit")
            expect(("credit", "seven"), (answer.model_name, answer.id))
            values = answer.outputs[0].as_numpy().ravel().tolist()
            expect(right.values, values)
        with call(CLIENT, f"V2: infer, {form}, a value out of range"):
            request = write_request([BAD], is_binary=is_binary)
            await expect_refusal(client.infer(address(), request, model_name="credit"))


async def ask_v1(right: Answers) -> None:
    """Ask over V1."""
    client = InferenceRESTClient(RESTConfig(protocol="v1"))
    with call(CLIENT, "V1: live"):
        expect(True, await client.is_server_live(address()))
    with call(CLIENT, "V1: model ready"):
        expect(True, await client.is_model_ready(address(), "credit"))
    for rows, form in ((RECORDS, "records"), ([list(one.values()) for one in RECORDS], "rows")):
        with call(CLIENT, f"V1: predict, {form}"):
            answer = await client.infer(address(), {"instances": rows}, model_name="credit")
            expect({"predictions": right.values}, answer)
    with call(CLIENT, "V1: predict, a value out of range"):
        await expect_refusal(client.infer(address(), {"instances": [BAD]}, model_name="credit"))


async def expect_refusal(asked: Any) -> None:
    """See that the reason reaches the caller."""
    try:
        await asked
    except httpx.HTTPStatusError as error:
        expect((True, 400), (REFUSAL in str(error), error.response.status_code))
    else:
        raise ValueError("it was not refused")


async def main() -> None:
    """Ask everything."""
    right = Answers(address(), RECORDS)
    await ask_v2(right)
    await ask_v1(right)


if __name__ == "__main__":
    asyncio.run(main())
