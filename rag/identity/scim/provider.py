"""What this service provisions by SCIM 2.0 (RFC 7643, RFC 7644), and what it says about itself.

Only what decides about rights is kept: a person's name, external id and whether she is active; a group's name,
external id and members. Everything else that the schemas know is accepted, so that providers need no special
configuration, and is not stored: the schemas served here say so (`writeOnly`, returned `never`).
"""

from collections.abc import Iterator
from typing import Any

from scim2_models import (
    AuthenticationScheme,
    Bulk,
    ChangePassword,
    ETag,
    Filter,
    Patch,
    Schema,
    ScimProvider,
    ServiceProviderConfig,
    Sort,
)
from scim2_server.utils import load_default_resource_types, load_default_schemas

RESULTS_MAX = 200
_KEPT_OF_PEOPLE = frozenset({"userName", "active"})
_GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"


def describe() -> ScimProvider:
    """The schemas, resource types and capabilities of the service."""
    return ScimProvider.from_discovery(
        list(_schemas()),
        load_default_resource_types().values(),
        config=ServiceProviderConfig(
            patch=Patch(supported=True),
            bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
            filter=Filter(supported=True, max_results=RESULTS_MAX),
            change_password=ChangePassword(supported=False),
            sort=Sort(supported=False),
            etag=ETag(supported=True),
            authentication_schemes=[
                AuthenticationScheme(
                    type=AuthenticationScheme.Type.oauthbearertoken,
                    name="API key",
                    description="A key of this service with the scope scim, as a bearer token.",
                )
            ],
        ),
    )


def _schemas() -> Iterator[Schema]:
    for urn, schema in load_default_schemas().items():
        described = schema.model_dump()
        for attribute in described["attributes"]:
            if urn == _GROUP:
                # How a member is called is her name, where the member is a person.
                for part in attribute.get("subAttributes") or ():
                    if part["name"] == "display":
                        _forget(part)
            elif attribute["name"] not in _KEPT_OF_PEOPLE:
                _forget(attribute)
        yield Schema.model_validate(described)


def _forget(attribute: dict[str, Any]) -> None:
    attribute.update(mutability="writeOnly", returned="never")
    for part in attribute.get("subAttributes") or ():
        _forget(part)
