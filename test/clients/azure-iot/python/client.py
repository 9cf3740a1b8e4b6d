# SPDX-License-Identifier: Apache-2.0
"""A module as Azure's documentation shows it: everything that it knows comes from its environment."""
import json
import logging
import time

from azure.iot.device import IoTHubModuleClient, Message, MethodResponse


def say(*what):
    print(*what, flush=True)


def answer(client, call):
    say("method", call.name, json.dumps(call.payload))
    client.send_method_response(MethodResponse.create_from_method_request(call, 200, {"pong": True}))


def run():
    # 120 seconds before its end a token is renewed: here every five seconds.
    client = IoTHubModuleClient.create_from_edge_environment(sastoken_ttl=125)
    client.on_background_exception = lambda error: say("client-error", error)
    client.connect()
    say("opened")
    client.on_method_request_received = lambda call: answer(client, call)
    say("twin", json.dumps(client.get_twin()["desired"]))
    client.patch_twin_reported_properties({"program": "python"})
    client.send_message_to_output("by an output", "out1")
    count = 0
    while True:
        count += 1
        client.send_message(Message(f"event {count}"))
        say("sent", count)
        time.sleep(0.5)


logging.basicConfig(level=logging.WARNING, format="log %(message)s")
try:
    run()
except BaseException as error:  # the log must say it, whatever it is
    say("failed", repr(error), repr(error.__cause__))
    time.sleep(1e6)
