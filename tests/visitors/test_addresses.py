"""What proxies write where an address is expected."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_flashcall.visitors.addresses import read_address

V6 = "2001:db8::7"


class TestReading:
    @pytest.mark.parametrize(
        ("text", "address"),
        [
            ("203.0.113.7", "203.0.113.7"),
            (" 203.0.113.7\t", "203.0.113.7"),
            ("203.0.113.7:50001", "203.0.113.7"),  # Azure Application Gateway
            ("203.0.113.7:_port", "203.0.113.7"),
            ('"203.0.113.7:50001"', "203.0.113.7"),
            ("'203.0.113.7'", "203.0.113.7"),
            (V6, V6),
            ("2001:DB8:0:0::7", V6),
            ("[2001:db8::7]", V6),
            ("[2001:db8::7]:443", V6),
            ('"[2001:db8::7]:443"', V6),
            ("[2001:db8::7%25eth0]:443", V6),
            ("fe80::1%eth0", "fe80::1"),
            ("fe80::1%" + "x" * 48, "fe80::1"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("::FFFF:CB00:7107", "203.0.113.7"),
            ("::ffff:203.0.113.7:50001", "203.0.113.7"),
            ("[::ffff:203.0.113.7]:50001", "203.0.113.7"),
            ("64:ff9b::203.0.113.7", "203.0.113.7"),
            ("for=203.0.113.7", "203.0.113.7"),
            ('For="[2001:db8::7]:443"; proto=https;by=10.0.0.1', V6),
            ("203.0.113.7,", "203.0.113.7"),
            (", 203.0.113.7", "203.0.113.7"),
            ("203.0.113.7, 203.0.113.7:50001", "203.0.113.7"),
        ],
    )
    def test_one_address_is_read_however_it_is_written(self, text: str, address: str) -> None:
        assert read_address(text) == address

    @pytest.mark.parametrize(
        "text",
        [
            "",
            " ",
            ",",
            "unix:",
            "unknown",
            "UNKNOWN",
            "_hidden",
            "_SEVKISEK",
            "for=unknown",
            'for="_gazonk"',
            "for=203.0.113.7;for=203.0.113.8",
            "by=203.0.113.7",
            "203.0.113.7, 10.0.0.1",
            "203.0.113.7, unknown",
            "unknown, 203.0.113.7",
            "for=203.0.113.7, for=203.0.113.8",
            "203.0.113.7 10.0.0.1",
            "203.0.113.7:",
            "203.0.113.7:123456",
            "203.0.113.7:port",
            "203.0.113",
            "203.0.113.256",
            "203.0.113.07",
            "\u0662\u0660\u0663.0.113.7",
            "[203.0.113.7",
            "2001:db8::7]",
            "[2001:db8::7]443",
            "[[2001:db8::7]]",
            "2001:db8::7::8",
            "1:2:3:4:5:6:7:8:443",
            "example.com",
            "example.com:443",
            "<script>",
            "None",
            "9" * 10_000,
        ],
    )
    def test_nothing_is_read_in_doubt(self, text: str) -> None:
        assert read_address(text) == ""

    @given(st.ip_addresses(), st.integers(1, 65535))
    def test_a_port_changes_nothing(self, address: ipaddress.IPv4Address, port: int) -> None:
        with_port = f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"
        assert read_address(with_port) == read_address(str(address)) != ""

    @given(st.text(alphabet="0123456789abcdefABCDEF:.[]%,;= \"'for_unknown\n", max_size=60))
    def test_what_is_read_is_an_address(self, text: str) -> None:
        address = read_address(text)
        assert address == "" or str(ipaddress.ip_address(address)) == address
