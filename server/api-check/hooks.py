"""How schemathesis signs in and which room it meddles with; `cargo xtask api-check` says where (xtask/src/api_check.rs).

Half of the generated room ids are replaced by that of a room of the account, so that not every answer is "no such room".
What would end the account's session or its room gets one of its own, so that the rest of the run is not refused.
"""

import os
import random

import requests
import schemathesis

BASE = os.environ["MESH_URL"]
TOKEN = os.environ["MESH_TOKEN"]
ROOM = os.environ["MESH_ROOM"]
chance = random.Random(1)


def ask(method, path, body=None):
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = requests.request(method, BASE + path, json=body, headers=headers, timeout=30)
    answer.raise_for_status()
    return answer.json()


def another_session():
    return ask("POST", "/auth/link", {"token": ask("POST", "/auth/links", {})["token"]})


OWN = {ask("GET", "/me")["device_id"]} | {one["id"] for one in ask("GET", "/auth/sessions")["sessions"]}


@schemathesis.auth()
class Session:
    def get(self, case, ctx):
        return TOKEN

    def set(self, case, token, ctx):
        if chance.random() < 0.9:
            ends = case.operation.definition.raw["operationId"] == "logout"
            case.headers["Authorization"] = f"Bearer {another_session()['token'] if ends else token}"


@schemathesis.hook
def before_call(ctx, case, kwargs):
    parameters = case.path_parameters
    if "room_id" in parameters:
        leaves = case.operation.definition.raw["operationId"] in ("delete_room", "leave_room")
        if parameters["room_id"] == ROOM or chance.random() < 0.5:
            parameters["room_id"] = ask("POST", "/rooms", {"name": "Passing"})["room_id"] if leaves else ROOM
    if parameters.get("id") in OWN:
        parameters["id"] = another_session()["device_id"]
