#!/usr/bin/env python3
"""Says whether events are what the public OCSF schema takes. Shares no code with the service.

    check.py FILE…      JSON lines as a sink or `audit export --ocsf` writes them; `-` is standard input

Exit 0: all are; 1: some are not, each told with its line; 2: no event was there, or a file cannot be read.

Checked: required attributes (those of the profiles that an event names, too), types and ranges, enumerations, lists, constraints, no
attribute that the schema does not have outside `unmapped`, none that is deprecated, no null, and the arithmetic of class and type.
"""
import ipaddress
import json
import os
import sys

SCHEMA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "schema-1.5.0.json")
FREE = {"object", "json_t"}
PYTHON = {"string_t": str, "integer_t": int, "long_t": int, "float_t": (int, float), "boolean_t": bool}
SHOWN = 20


class Checker:
    def __init__(self):
        with open(SCHEMA, encoding="utf-8") as file:
            schema = json.load(file)
        self.version, self.types, self.objects = schema["version"], schema["types"], schema["objects"]
        self.classes = {of["uid"]: of for of in schema["classes"].values()}

    def event(self, event):
        """What is wrong with it."""
        if not isinstance(event, dict):
            return ["it is no object"]
        of = self.classes.get(event.get("class_uid"))
        if of is None:
            return [f"class_uid {event.get('class_uid')!r} is none of ours"]
        metadata = event.get("metadata") if isinstance(event.get("metadata"), dict) else {}
        profiles = metadata.get("profiles", [])
        wrong = [f"metadata.profiles: {name!r} is none of the class" for name in profiles if name not in of["profiles"]]
        if metadata.get("version") != self.version:
            wrong.append(f"metadata.version is {metadata.get('version')!r}, not {self.version}")
        if event.get("category_uid") != event["class_uid"] // 1000 or event["category_uid"] != of.get("category_uid", 0):
            wrong.append("category_uid is not the class's")
        activity = event.get("activity_id")
        if isinstance(activity, int) and event.get("type_uid") != event["class_uid"] * 100 + activity:
            wrong.append("type_uid is not class_uid * 100 + activity_id")
        return wrong + list(self.group("", of, event, profiles))

    def group(self, path, of, value, profiles):
        """What is wrong with an object or with the event itself."""
        attributes = of["attributes"]
        for name, what in attributes.items():
            is_on = "profile" not in what or what["profile"] in profiles
            if what["is"] == "required" and is_on and name not in value:
                yield f"{path}{name} is required"
        for rule, names in of["constraints"].items():
            there = sum(name in value for name in names)
            if (rule == "at_least_one" and there == 0) or (rule == "just_one" and there != 1):
                yield f"{path or 'the event'}: {rule} of {', '.join(names)}"
        for name, one in value.items():
            what = attributes.get(name)
            if what is None:
                yield f"{path}{name} is no attribute here"
            elif what.get("profile", name) not in (*profiles, name):
                yield f"{path}{name} is of the profile {what['profile']}, which metadata.profiles does not name"
            elif "deprecated" in what:
                yield f"{path}{name} is deprecated since {what['deprecated']}"
            elif what.get("list"):
                if not isinstance(one, list):
                    yield f"{path}{name} is no list"
                    continue
                for at, entry in enumerate(one):
                    yield from self.value(f"{path}{name}[{at}]", what, entry, profiles)
            else:
                yield from self.value(path + name, what, one, profiles)

    def value(self, path, what, value, profiles):
        kind = what["type"]
        if value is None:
            yield f"{path} is null"
        elif kind in self.types and kind not in FREE:
            yield from self.scalar(path, kind, value)
            if "enum" in what and str(value) not in what["enum"]:
                yield f"{path} is {value!r}, which its enumeration does not have"
        elif kind in FREE:
            if kind == "object" and not isinstance(value, dict):
                yield f"{path} is no object"
        elif not isinstance(value, dict):
            yield f"{path} is no object"
        elif kind not in self.objects:
            yield f"{path} is a {kind}, which was not taken from the schema: see extract.py"
        else:
            yield from self.group(path + ".", self.objects[kind], value, profiles)

    def scalar(self, path, kind, value):
        of = self.types[kind]
        python = PYTHON[of.get("type", kind)] if of.get("type", kind) in PYTHON else PYTHON[self.types[of["type"]]["type"]]
        if not isinstance(value, python) or (isinstance(value, bool) and python is not bool):
            yield f"{path} is no {kind}"
            return
        if "max_len" in of and len(value) > of["max_len"]:
            yield f"{path} is longer than a {kind} may be"
        if "range" in of and not of["range"][0] <= value <= of["range"][1]:
            yield f"{path} is outside the range of a {kind}"
        if kind == "ip_t":
            try:
                ipaddress.ip_address(value)
            except ValueError:
                yield f"{path} is no address"


def main():
    checker, events, bad, classes = Checker(), 0, 0, set()
    for name in sys.argv[1:]:
        try:
            with sys.stdin if name == "-" else open(name, encoding="utf-8") as file:
                for number, line in enumerate(file, 1):
                    event = json.loads(line)
                    # As a collector of HTTP events (HEC) gets it.
                    event = event["event"] if isinstance(event, dict) and isinstance(event.get("event"), dict) else event
                    events += 1
                    wrong = checker.event(event)
                    classes.add(event.get("class_uid") if isinstance(event, dict) else None)
                    bad += bool(wrong)
                    if wrong and bad <= SHOWN:
                        print(f"{name}:{number}: " + "; ".join(wrong))
        except (OSError, UnicodeDecodeError, json.JSONDecodeError) as why:
            print(f"{name}: {why}")
            sys.exit(2)
    print(f"{events} events of {len(classes)} classes, {bad} not as OCSF {checker.version} has them")
    sys.exit(2 if events == 0 else 1 if bad else 0)


main()
