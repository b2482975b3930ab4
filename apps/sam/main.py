"""What the host loads: exactly one app class."""

from samlabel.server.app import SamApp as SamApp
