"""Health, described."""

from cella.api.openapi.parts import an_object, json_body, route, with_headers

HEALTHZ = route(
    "Whether it lives",
    {
        200: with_headers(
            json_body("It lives.", an_object({"status": {"const": "ok"}}), {"status": "ok"}),
            "Cache-Control",
        )
    },
)
READYZ = route(
    "Whether it can work",
    {
        200: with_headers(
            json_body(
                "It can work.", an_object({"status": {"const": "ready"}}), {"status": "ready"}
            ),
            "Cache-Control",
        ),
        503: with_headers(
            json_body(
                "It cannot.",
                an_object(
                    {
                        "status": {"const": "not ready"},
                        "wrong": {
                            "type": "object",
                            "description": "What does not answer, and what sort of error it gives.",
                            "additionalProperties": {"type": "string"},
                        },
                    }
                ),
                {"status": "not ready", "wrong": {"database": "OperationalError"}},
            ),
            "Cache-Control",
        ),
    },
)
