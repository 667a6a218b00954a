#!/usr/bin/python
# Copyright (c) 2026, the fleet.hypervisor authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: taskstats_info
short_description: Delays, CPU, I/O and memory of processes and of QEMU guests
version_added: 0.1.0
author:
  - the fleet.hypervisor authors (@fleet-hypervisor)
description:
  - Reads what the kernel accounts of tasks (threads) and processes over its taskstats interface,
    for any number of them at once.
  - How long a guest's process was ready to run but waited for a CPU, or waited for storage, is seen
    from the hypervisor alone;
    inside the guest it shows as steal time or not at all.
  - Nothing has to be installed on the managed host beyond Python; the module needs root
    (C(CAP_NET_ADMIN)) there.
notes:
  - All counters are sums since the task or process began. Take two readings and their difference
    for a rate.
  - Since Linux 5.14 the kernel counts delays other than those waiting for a CPU only while
    C(kernel.task_delayacct) is V(1), and only for
    tasks that began while it was. RV(delay_accounting) says whether it is; while it is not, what is
      not counted is V(null) and not a zero.
  - Names end in their unit. C(_ns) are nanoseconds, C(_us) microseconds, C(_s) seconds since 1970,
    C(_bytes) bytes, C(_kib) KiB,
    C(_mib_us) MiB of memory times microseconds of CPU time. Names without such an ending are counts
      and identifiers.
extends_documentation_fragment:
  - fleet.hypervisor.attributes.info_module
options:
  pids:
    description:
      - Tasks to report, each a single thread. The pid of a process is that of its first thread.
    type: list
    elements: int
    default: []
  tgids:
    description:
      - Processes to report as a whole, by process id.
    type: list
    elements: int
    default: []
  qemu:
    description:
      - Reports every QEMU system emulator that runs on the host, with the name and the UUID of its
        guest.
    type: bool
    default: false
  gather:
    description:
      - What to report of each.
      - V(delays) are how often and how long it had to wait, and for what.
      - V(peaks) are the largest and smallest single delay (Linux 6.14 and newer); of a process,
        those of its running threads.
    type: list
    elements: str
    choices: [identity, cpu, delays, peaks, io, memory]
    default: [cpu, delays, io, memory]
  threads:
    description:
      - Reports each running thread of a process or guest as well. QEMU's virtual CPUs are threads.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: How long does each guest run, and how long does it wait, and for what?
  fleet.hypervisor.taskstats_info:
    qemu: true
    gather: [cpu, delays]
  register: busy

- name: Guests that waited for a CPU more than a tenth of the time that they ran
  ansible.builtin.debug:
    msg: "{{ item.guest }} waited {{ (item.delays.cpu.total_ns / 1000000000) | round(3) }} s for a
      CPU"
  loop: "{{ busy.guests }}"
  loop_control:
    label: "{{ item.guest }}"
  when: item.delays.cpu.total_ns > 0.1 * item.cpu.run_ns

- name: Virtual CPUs and I/O threads of one process
  fleet.hypervisor.taskstats_info:
    tgids: [1]
    threads: true
    gather: [cpu, io]

- name: Everything that is known of the first task
  fleet.hypervisor.taskstats_info:
    pids: [1]
    gather: [identity, cpu, delays, peaks, io, memory]
"""

RETURN = r"""
delay_accounting:
  description: Whether the kernel counts delays now, other than those waiting for a CPU, which it
    always counts.
  type: bool
  returned: success
  sample: false
tasks:
  description: The tasks asked for with O(pids), in that order, without those that do not exist.
  type: list
  elements: dict
  returned: success
  contains:
    pid:
      description: The pid asked for.
      type: int
      returned: always
      sample: 4711
    comm:
      description: Name of the task, up to 15 bytes. QEMU names its threads when started with
        C(-name ...,debug-threads=on).
      type: str
      returned: always
      sample: CPU 0/KVM
    identity: &identity
      description: Whose it is and what it runs, for a process that of its first thread.
      type: dict
      returned: when O(gather) has V(identity)
      contains:
        ppid:
          description: Process id of the parent.
          type: int
        uid:
          description: User id.
          type: int
        gid:
          description: Group id.
          type: int
        nice:
          description: Niceness, from -20 to 19.
          type: int
        scheduler:
          description: Scheduling policy (V(other), V(fifo), V(rr), V(batch), V(idle), V(deadline),
            V(ext)), or its number.
          type: str
        started_s:
          description: When it began, in seconds since 1970; the kernel reckons it back from now, so
            it may differ by one from reading to reading.
          type: int
        exe_device:
          description: Device number of the file that it runs (Linux 5.19 and newer, else V(null)).
          type: int
        exe_inode:
          description: Inode number of the file that it runs (Linux 5.19 and newer, else V(null)).
          type: int
      sample:
        ppid: 1
        uid: 64055
        gid: 64055
        nice: 0
        scheduler: other
        started_s: 1795229228
        exe_device: 65024
        exe_inode: 26723
    cpu: &cpu
      description: Time on CPUs and how often it left them. Of a process, the sums over its threads, ended ones too.
      type: dict
      returned: when O(gather) has V(cpu)
      contains:
        user_us:
          description: Microseconds in user mode.
          type: int
        system_us:
          description: Microseconds in kernel mode.
          type: int
        run_ns:
          description: Nanoseconds on a CPU, exact where the two above are sampled on many kernels.
          type: int
        voluntary_switches:
          description: How often it gave up the CPU, waiting for something.
          type: int
        involuntary_switches:
          description: How often the CPU was taken away.
          type: int
        elapsed_us:
          description: Microseconds since the task, or the first thread of the process, began.
          type: int
      sample:
        user_us: 17555795
        system_us: 3043818
        run_ns: 22050071415
        voluntary_switches: 121364
        involuntary_switches: 51594
        elapsed_us: 423628096
    delays: &delays
      description:
        - How often and how long it had to wait, by cause. Of a process, the sums over its threads,
          with those that ended.
        - V(null) for a cause that this kernel does not know, or does not count because delay
          accounting is off.
        - The causes are C(cpu) (ready to run, but no CPU was free), C(blkio) (block I/O to
          complete), C(swapin) (pages to be swapped in),
          C(freepages) (memory to be reclaimed), C(thrashing) (pages evicted and soon needed again),
            C(compact) (memory to be compacted),
          C(wpcopy) (write-protected pages to be copied) and C(irq) (interrupts that were handled in
            its time).
      type: dict
      returned: when O(gather) has V(delays)
      contains:
        cpu: &delay
          description: C(count) delays of C(total_ns) nanoseconds together.
          type: dict
          contains:
            count:
              description: How many delays.
              type: int
            total_ns:
              description: Nanoseconds, all of them together.
              type: int
        blkio: *delay
        swapin: *delay
        freepages: *delay
        thrashing: *delay
        compact: *delay
        wpcopy: *delay
        irq: *delay
      sample:
        cpu: {count: 172966, total_ns: 2715860775}
        blkio: null
        swapin: null
        freepages: null
        thrashing: null
        compact: null
        wpcopy: null
        irq: null
    peaks: &peaks
      description: The largest and the smallest single delay, by the same causes; V(null) where
        there was none or the kernel does not record it.
      type: dict
      returned: when O(gather) has V(peaks)
      contains:
        cpu: &peak
          description: The largest delay in C(max_ns), the smallest in C(min_ns) nanoseconds.
          type: dict
          contains:
            max_ns:
              description: Nanoseconds of the largest delay.
              type: int
            min_ns:
              description: Nanoseconds of the smallest delay.
              type: int
        blkio: *peak
        swapin: *peak
        freepages: *peak
        thrashing: *peak
        compact: *peak
        wpcopy: *peak
        irq: *peak
      sample:
        cpu: {max_ns: 1446108, min_ns: 631}
        blkio: null
        swapin: null
        freepages: null
        thrashing: null
        compact: null
        wpcopy: null
        irq: null
    io: &io
      description: Input and output, to the byte; of a process with its ended threads. V(null) when
        the kernel does not let it be read.
      type: dict
      returned: when O(gather) has V(io)
      contains:
        read_bytes:
          description: Bytes fetched from storage.
          type: int
        write_bytes:
          description: Bytes sent to storage, or dirtied to be sent.
          type: int
        cancelled_write_bytes:
          description: Bytes of those that never had to be sent, because the file was cut short or
            deleted.
          type: int
        read_char_bytes:
          description: Bytes read with system calls, from wherever.
          type: int
        write_char_bytes:
          description: Bytes written with system calls, to wherever.
          type: int
        read_syscalls:
          description: How many system calls read.
          type: int
        write_syscalls:
          description: How many system calls wrote.
          type: int
      sample:
        read_bytes: 32428032
        write_bytes: 49152
        cancelled_write_bytes: 0
        read_char_bytes: 27084107
        write_char_bytes: 550778
        read_syscalls: 51986
        write_syscalls: 69213
    memory:
      description: Memory of the process that the task belongs to, and what the task itself did with
        it.
      type: dict
      returned: when O(gather) has V(memory)
      contains:
        hiwater_rss_kib: &hiwater_rss_kib
          description: Most memory that the process ever had resident, in KiB.
          type: int
        hiwater_vm_kib: &hiwater_vm_kib
          description: Most address space that the process ever had, in KiB.
          type: int
        minor_faults:
          description: Page faults of the task that needed no I/O.
          type: int
        major_faults:
          description: Page faults of the task that needed I/O.
          type: int
        rss_mib_us:
          description: Resident MiB times microseconds of the task's CPU time. Divided by that time
            it is the average.
          type: int
        vm_mib_us:
          description: MiB of address space times microseconds of the task's CPU time.
          type: int
      sample:
        hiwater_rss_kib: 877000
        hiwater_vm_kib: 2775640
        minor_faults: 7927
        major_faults: 25
        rss_mib_us: 559627047
        vm_mib_us: 2694138763
processes:
  description: The processes asked for with O(tgids), in that order, without those that do not
    exist.
  type: list
  elements: dict
  returned: success
  contains:
    tgid:
      description: The process id.
      type: int
      returned: always
      sample: 4710
    comm:
      description: Name of its first thread, up to 15 bytes.
      type: str
      returned: always
      sample: qemu-system-x86
    identity: *identity
    cpu: *cpu
    delays: *delays
    peaks: *peaks
    io: *io
    memory:
      description: Its memory.
      type: dict
      returned: when O(gather) has V(memory)
      contains:
        hiwater_rss_kib: *hiwater_rss_kib
        hiwater_vm_kib: *hiwater_vm_kib
      sample: {hiwater_rss_kib: 877000, hiwater_vm_kib: 2775640}
    threads:
      description: Its running threads, each with the keys of RV(tasks).
      type: list
      elements: dict
      returned: when O(threads=true)
guests:
  description: The processes of all QEMU guests, in order of process id, with the keys of
    RV(processes) besides these two.
  type: list
  elements: dict
  returned: success
  contains:
    guest:
      description: Name of the guest, from QEMU's C(-name); V(null) when it was not given one.
      type: str
      returned: always
      sample: web1
    uuid:
      description: UUID of the guest, from QEMU's C(-uuid); V(null) when it was not given one.
      type: str
      returned: always
      sample: 4dea22b3-1d52-d8f3-2516-782e98ab3fa0
missing:
  description: What was asked for and does not exist, or ended while it was read.
  type: dict
  returned: success
  contains:
    pids:
      description: Those of O(pids).
      type: list
      elements: int
    tgids:
      description: Those of O(tgids), pids of threads among them.
      type: list
      elements: int
  sample: {pids: [], tgids: []}
"""

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import quick_import  # noqa: F401  # pylint: disable=unused-import
from ..module_utils.netlink.taskstats import report

ARGUMENTS = {
    "pids": {"type": "list", "elements": "int", "default": []},
    "tgids": {"type": "list", "elements": "int", "default": []},
    "qemu": {"type": "bool", "default": False},
    "gather": {
        "type": "list",
        "elements": "str",
        "choices": list(report.GROUPS),
        "default": ["cpu", "delays", "io", "memory"],
    },
    "threads": {"type": "bool", "default": False},
}


def main() -> None:
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True)
    try:
        module.exit_json(changed=False, **report.read(**module.params))
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"Reading task accounting: {error}")


if __name__ == "__main__":
    main()
