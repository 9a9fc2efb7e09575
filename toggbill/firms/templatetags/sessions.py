"""A session as its owner knows it: by browser and machine, not by what the browser says of itself."""

from __future__ import annotations

from django import template
from django.utils.translation import gettext as _

register = template.Library()

# In this order: the later ones stand in what the earlier ones say, too.
_BROWSERS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung Internet",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "CriOS/": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
_MACHINES = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "Macintosh": "Mac",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


@register.filter
def browser(user_agent: str) -> str:
    """`Firefox on Windows`; what is known of it, else the first words of what it says."""
    name = next((shown for mark, shown in _BROWSERS.items() if mark in user_agent), "")
    machine = next((shown for mark, shown in _MACHINES.items() if mark in user_agent), "")
    if name and machine:
        return _("%(browser)s on %(machine)s") % {"browser": name, "machine": machine}
    return name or machine or user_agent.strip()[:60] or _("unknown browser")
