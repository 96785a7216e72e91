"""Network addresses, shortened where the settings say so: /24 and /48 tell a region, not a person."""

from __future__ import annotations

from ipaddress import ip_address, ip_network


def shortened(address: str) -> str:
    """Return the address with its last part set to zero; what is no address becomes empty."""
    # A neighbour on the same cable comes with the name of our network card behind a %, which is no part of the address.
    address = address.partition("%")[0]
    try:
        version = ip_address(address).version
    except ValueError:
        return ""
    return str(ip_network(f"{address}/{24 if version == 4 else 48}", strict=False).network_address)
