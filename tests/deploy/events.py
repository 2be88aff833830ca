"""Events as the doors of AWS Lambda send them; the shapes are those that AWS documents."""

import base64
from typing import Any

Event = dict[str, Any]


def rest_gateway(method: str, path: str, body: bytes = b"", **headers: str) -> Event:
    """An event of a REST gateway (payload 1.0), which passes bodies on in base64."""
    return {
        "resource": "/{proxy+}", "path": path, "httpMethod": method, "headers": headers,
        "multiValueHeaders": {name: value.split(", ") for name, value in headers.items()},
        "queryStringParameters": None, "multiValueQueryStringParameters": None,
        "pathParameters": {"proxy": path[1:]}, "stageVariables": None,
        "requestContext": {"stage": "dev", "path": f"/dev{path}", "protocol": "HTTP/1.1",
                           "identity": {"sourceIp": "192.0.2.1", "apiKeyId": "abc"}},
        "body": base64.b64encode(body).decode() or None, "isBase64Encoded": bool(body),
    }  # fmt: skip


def http_gateway(method: str, path: str, body: bytes = b"", **headers: str) -> Event:
    """An event of an HTTP gateway (payload 2.0), whose cookies stand apart, and text is text."""
    cookies = headers.pop("cookie", "")
    return {
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": headers, **({"cookies": cookies.split("; ")} if cookies else {}),
        "requestContext": {"http": {"method": method, "path": path, "protocol": "HTTP/1.1",
                                    "sourceIp": "192.0.2.1", "userAgent": "curl"},
                           "stage": "$default"},
        "body": body.decode(), "isBase64Encoded": False,
    }  # fmt: skip


def function_url(method: str, path: str, body: bytes = b"", **headers: str) -> Event:
    """An event of a function's own address, with the body in base64."""
    event = http_gateway(method, path, b"", **headers)
    return {**event, "body": base64.b64encode(body).decode(), "isBase64Encoded": True}


def balancer(method: str, path: str, body: bytes = b"", **headers: str) -> Event:
    """An event of an application load balancer."""
    arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/a/1"
    return {
        "requestContext": {"elb": {"targetGroupArn": arn}}, "httpMethod": method, "path": path,
        "queryStringParameters": {}, "headers": headers, "body": body.decode(),
        "isBase64Encoded": False,
    }  # fmt: skip


DOORS = (rest_gateway, http_gateway, function_url, balancer)
