"""What the OpenAPI document says of each route: parameters, bodies, answers, with examples."""
