"""Reads a message from standard input as slixmpp understands it, and prints that as JSON."""

import json
import sys
from xml.etree import ElementTree

from slixmpp import ClientXMPP, Message
from slixmpp.plugins.xep_0264.stanza import Thumbnail
from slixmpp.plugins.xep_0446.stanza import File

client = ClientXMPP("reader@example.net", "")
for xep in ("0066", "0264", "0300", "0372", "0385", "0428", "0446", "0447"):
    client.register_plugin(f"xep_{xep}")
    assert f"xep_{xep}" in client.plugin, f"XEP-{xep} is not known to this slixmpp"


def hash_of(file):
    element = file.xml.find("{urn:xmpp:hashes:2}hash")
    return None if element is None else [element.get("algo"), element.text]


def metadata_of(file):
    words = ("media-type", "name", "size", "width", "height", "length")
    return {**{word: file[word] for word in words}, "hash": hash_of(file)}


message = Message(xml=ElementTree.fromstring(sys.stdin.read()))
result = {"oob": message["oob"]["url"]}

file = message.xml.find(File.tag_name())
if file is not None:
    result["file-metadata"] = metadata_of(File(xml=file))

reference = message.get_plugin("reference", check=True)
if reference is not None:
    sims = reference["sims"]
    thumbnails = [Thumbnail(xml=child) for child in sims["file"].xml.findall(Thumbnail.tag_name())]
    result["sims"] = {
        "type": reference["type"],
        **{word: sims["file"][word] for word in ("media-type", "name", "size")},
        "hash": hash_of(sims["file"]),
        "thumbnails": [[thumbnail[word] for word in ("media-type", "uri", "width", "height")] for thumbnail in thumbnails],
        "source": sims["sources"]["reference"]["uri"],
    }

share = message.get_plugin("sfs", check=True)
if share is not None:
    result["sfs"] = {
        "disposition": share["disposition"],
        "file": metadata_of(share["file"]),
        "source": share["sources"]["url-data"]["target"],
        "fallback for": message["fallback"]["for"],
    }

print(json.dumps(result))
