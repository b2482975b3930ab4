"""What the host loads: exactly one app class."""

from samlabel.app import SamApp as SamApp
