#!/usr/bin/env python3
"""Takes from an export of the public OCSF schema what our events use: six classes, the objects in them, and the types.

    pip download --no-deps ocsf-json-schema==1.2.0 && unzip ocsf_json_schema-1.2.0-py3-none-any.whl
    python3 extract.py ocsf_json_schema/ocsf/1.5.0.json > schema-1.5.0.json

Of an attribute are kept: its type, whether it is required, deprecated, a list, of a profile, and the numbers of its enumeration.
Captions, descriptions and regular expressions are left off.
"""
import json
import sys

CLASSES = ["base_event", "data_security_finding", "detection_finding", "authentication", "application_lifecycle",
           "datastore_activity"]
OBJECTS = ["metadata", "product", "device", "actor", "user", "process", "file", "session", "database", "network_endpoint",
           "query_info", "table", "policy", "firewall_rule", "finding_info", "resource_details", "service", "object", "idp", "group"]


def attribute(of):
    kept = {"type": of.get("object_type") or of["type"], "is": of.get("requirement", "optional")}
    if of.get("is_array"):
        kept["list"] = True
    if of.get("profile"):
        kept["profile"] = of["profile"]
    if of.get("@deprecated"):
        kept["deprecated"] = of["@deprecated"]["since"]
    if of.get("enum"):
        kept["enum"] = sorted(of["enum"], key=lambda key: (len(key), key))
    return kept


def group(of):
    kept = {key: of[key] for key in ("uid", "category_uid", "profiles") if key in of}
    kept["constraints"] = of.get("constraints") or {}
    attributes = sorted(of["attributes"].items())
    lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(attribute(value))}" for name, value in attributes)
    return json.dumps(kept)[:-1] + ', "attributes": {\n' + lines + "\n  }}"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        schema = json.load(file)
    types = {name: {key: of[key] for key in ("type", "max_len", "range") if key in of} for name, of in schema["types"].items()}
    print('{\n"version": ' + json.dumps(schema["version"]) + ',\n"types": {')
    print(",\n".join(f"  {json.dumps(name)}: {json.dumps(of)}" for name, of in sorted(types.items())))
    for kind, names in (("classes", CLASSES), ("objects", OBJECTS)):
        print('},\n"' + kind + '": {')
        print(",\n".join(f"  {json.dumps(name)}: {group(schema[kind][name])}" for name in names))
    print("}\n}")


main()
