"""The pages that describe the API, described."""

from cella.api.openapi.parts import json_body

PATHS = {
    "/api/openapi.json": {
        "get": {
            "tags": ["Documentation"],
            "summary": "This document",
            "description": "The API as OpenAPI 3.1 describes it, for programs.",
            "operationId": "openapi",
            "responses": {
                "200": json_body(
                    "The document.",
                    {"type": "object", "required": ["openapi", "info", "paths"]},
                    {"openapi": "3.1.0", "info": {}, "paths": {}},
                )
            },
        }
    },
    "/api/docs": {
        "get": {
            "tags": ["Documentation"],
            "summary": "This document, to be read",
            "description": "The API in a browser, to be read and tried. Nothing is loaded from "
            "elsewhere.",
            "operationId": "docs",
            "responses": {
                "200": {
                    "description": "The page.",
                    "content": {"text/html": {"schema": {"type": "string"}}},
                }
            },
        }
    },
}
"""Paths."""
