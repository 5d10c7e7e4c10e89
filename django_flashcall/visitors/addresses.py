"""Client addresses, as servers and proxies write them."""

from __future__ import annotations

import ipaddress
import re

#: A port, or the obfuscated one of RFC 7239.
PORT = r":(?:[0-9]{1,5}|_[A-Za-z0-9._-]+)"

#: An IPv6 address in brackets, or an IPv4 address, and a port.
BRACKETS = re.compile(rf"\[(?P<host>[^\[\]]*)\](?:{PORT})?")
IPV4_WITH_PORT = re.compile(rf"(?P<host>.*\.[0-9]{{1,3}}){PORT}")

#: Gateways between IPv6 and IPv4 put the whole IPv4 address into the last digits (RFC 6052).
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def read_address(text: str) -> str:
    """Return the one address in ``text``, or an empty string if there is none or more than one.

    A port, brackets, quotes, a zone, and the ``for`` of the header ``Forwarded`` are understood.
    """
    # SECURITY: of several addresses, some come from the visitor, who can write anything. Only the
    # site knows how many proxies it has, so the package does not choose one.
    addresses = {_read_node(node) for node in text.split(",") if node.strip()}
    return addresses.pop() if len(addresses) == 1 else ""


def _read_node(text: str) -> str:
    node = _for_parameter(text).strip().strip("\"'").strip()
    match = BRACKETS.fullmatch(node) or IPV4_WITH_PORT.fullmatch(node)
    host = match["host"] if match else node
    try:
        # Without the zone, since a forged header can make it arbitrarily long.
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return ""  # also "unknown", and the names that RFC 7239 allows instead
    return str(_embedded_address(address))


def _for_parameter(text: str) -> str:
    """Return the value of ``for`` if ``text`` consists of parameters, as in ``Forwarded``."""
    if "=" not in text:
        return text
    pairs = [pair.strip() for pair in text.split(";")]
    values = [pair[len("for=") :] for pair in pairs if pair.lower().startswith("for=")]
    return values[0] if len(values) == 1 else ""


def _embedded_address(address: IPAddress) -> IPAddress:
    """Return the IPv4 address in an IPv6 address; otherwise all of them share one /64 network."""
    if not isinstance(address, ipaddress.IPv6Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address
