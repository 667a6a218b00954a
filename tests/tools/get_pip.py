# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ansible-test runs as get-pip.py in each environment it makes.

ansible-test fetches that program from an address beside the package index, which closed networks
refuse. The interpreter's own ensurepip does the same; it gets a process of its own because it
switches pip's configuration off for the process it runs in.
"""

import subprocess
import sys

pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
requirements = [word for word in sys.argv[1:] if not word.startswith("-")]

subprocess.run([sys.executable, "-m", "ensurepip"], stdout=subprocess.DEVNULL, check=True)
subprocess.run([*pip, *requirements], check=True)
