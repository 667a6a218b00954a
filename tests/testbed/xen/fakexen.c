/* Copyright (c) 2026, the fleet.hypervisor authors
 * GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the XenStore daemons of Xen 4.17 ask of a hypervisor, answered from a directory, so that the stock xenstored
 * and oxenstored run as ordinary processes (preloaded: LD_PRELOAD=fakexen.so, FAKEXEN_DIR=directory).
 *
 *   ring.N   domain N exists: its XenStore ring, one page, shared with whoever plays the domain
 *   dying.N  domain N has shut down and is being destroyed
 *   evtchn   a fifo; a port number written to it as a native 32-bit integer is an event for the daemon
 *
 * Ports: 1 is the first virtual interrupt that the daemon binds (VIRQ_DOM_EXC: "look which domains have gone"),
 * 100 + N is the channel of domain N. Notifications to a domain are not delivered: rings are polled.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xengnttab.h>

enum { PAGE = 4096, FIRST_VIRQ_PORT = 1, FIRST_DOMAIN_PORT = 100, DOMAINS = 1024 };

static char handle; /* any address will do: no function here looks behind it */
static int events = -1;
static int virq_port = FIRST_VIRQ_PORT;

static int real_open(const char *path, int flags, mode_t mode)
{
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

static void path_of(char *path, size_t size, const char *name, unsigned domid)
{
	const char *directory = getenv("FAKEXEN_DIR");

	snprintf(path, size, "%s/%s.%u", directory ? directory : ".", name, domid);
}

static int has(const char *name, unsigned domid)
{
	char path[4096];

	path_of(path, sizeof(path), name, domid);
	return access(path, F_OK) == 0;
}

static int exists(unsigned domid)
{
	return domid == 0 || has("ring", domid);
}

static void *ring_of(unsigned domid)
{
	char path[4096];
	void *page;
	int fd;

	path_of(path, sizeof(path), "ring", domid);
	fd = real_open(path, O_RDWR | O_CLOEXEC, 0);
	if (fd < 0)
		return NULL;
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return page == MAP_FAILED ? NULL : page;
}

/* libxenctrl */

xc_interface *xc_interface_open(xentoollog_logger *logger, xentoollog_logger *dombuild, unsigned flags)
{
	(void)logger, (void)dombuild, (void)flags;
	return (xc_interface *)&handle;
}

int xc_interface_close(xc_interface *xch)
{
	(void)xch;
	return 0;
}

int xc_domain_getinfo(xc_interface *xch, uint32_t first, unsigned int most, xc_dominfo_t *info)
{
	unsigned int found = 0;

	(void)xch;
	for (uint32_t domid = first; domid < DOMAINS && found < most; domid++) {
		if (!exists(domid))
			continue;
		memset(&info[found], 0, sizeof(info[found]));
		info[found].domid = domid;
		info[found].dying = info[found].shutdown = has("dying", domid);
		found++;
	}
	if (!found)
		errno = ESRCH;
	return found ? (int)found : -1;
}

int xc_domain_getinfolist(xc_interface *xch, uint32_t first, unsigned int most, xc_domaininfo_t *info)
{
	unsigned int found = 0;

	(void)xch;
	for (uint32_t domid = first; domid < DOMAINS && found < most; domid++) {
		if (!exists(domid))
			continue;
		memset(&info[found], 0, sizeof(info[found]));
		info[found].domain = (domid_t)domid;
		info[found].flags = has("dying", domid) ? XEN_DOMINF_dying | XEN_DOMINF_shutdown : 0;
		found++;
	}
	return (int)found;
}

void *xc_map_foreign_range(xc_interface *xch, uint32_t domid, int size, int prot, unsigned long frame)
{
	(void)xch, (void)size, (void)prot, (void)frame;
	return ring_of(domid);
}

/* libxenevtchn */

xenevtchn_handle *xenevtchn_open(xentoollog_logger *logger, unsigned int flags)
{
	const char *directory = getenv("FAKEXEN_DIR");
	char path[4096];

	(void)logger, (void)flags;
	snprintf(path, sizeof(path), "%s/evtchn", directory ? directory : ".");
	events = real_open(path, O_RDWR | O_NONBLOCK, 0);
	return events < 0 ? NULL : (xenevtchn_handle *)&handle;
}

xenevtchn_handle *xenevtchn_fdopen(xentoollog_logger *logger, int fd, unsigned int flags)
{
	(void)logger, (void)flags;
	events = fd;
	return (xenevtchn_handle *)&handle;
}

int xenevtchn_close(xenevtchn_handle *xce)
{
	(void)xce;
	return close(events);
}

int xenevtchn_fd(xenevtchn_handle *xce)
{
	(void)xce;
	return events;
}

int xenevtchn_notify(xenevtchn_handle *xce, evtchn_port_t port)
{
	(void)xce, (void)port;
	return 0;
}

xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *xce, uint32_t domid, evtchn_port_t remote)
{
	(void)xce, (void)remote;
	return FIRST_DOMAIN_PORT + (int)domid;
}

xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle *xce, unsigned int virq)
{
	(void)xce, (void)virq;
	return virq_port++;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *xce)
{
	uint32_t port;

	(void)xce;
	if (read(events, &port, sizeof(port)) == sizeof(port))
		return (int)port;
	errno = EAGAIN;
	return -1;
}

int xenevtchn_unbind(xenevtchn_handle *xce, evtchn_port_t port)
{
	(void)xce, (void)port;
	return 0;
}

int xenevtchn_unmask(xenevtchn_handle *xce, evtchn_port_t port)
{
	(void)xce, (void)port;
	return 0;
}

/* libxengnttab */

xengnttab_handle *xengnttab_open(xentoollog_logger *logger, unsigned flags)
{
	(void)logger, (void)flags;
	return (xengnttab_handle *)&handle;
}

int xengnttab_close(xengnttab_handle *xgt)
{
	(void)xgt;
	return 0;
}

int xengnttab_set_max_grants(xengnttab_handle *xgt, uint32_t most)
{
	(void)xgt, (void)most;
	return 0;
}

void *xengnttab_map_grant_ref(xengnttab_handle *xgt, uint32_t domid, uint32_t reference, int prot)
{
	(void)xgt, (void)reference, (void)prot;
	return ring_of(domid);
}

int xengnttab_unmap(xengnttab_handle *xgt, void *start, uint32_t count)
{
	(void)xgt;
	return munmap(start, (size_t)count * PAGE);
}

/* /proc/xen: the port and the page of domain 0's own ring, which nobody uses here */

static int proc_xen(const char *path)
{
	int fd;

	if (strcmp(path, "/proc/xen/xsd_port") == 0) {
		fd = memfd_create("xsd_port", MFD_CLOEXEC);
		if (fd < 0 || write(fd, "99", 2) != 2 || lseek(fd, 0, SEEK_SET) != 0)
			return -1;
		return fd;
	}
	if (strcmp(path, "/proc/xen/xsd_kva") == 0) {
		fd = memfd_create("xsd_kva", MFD_CLOEXEC);
		if (fd < 0 || ftruncate(fd, PAGE) != 0)
			return -1;
		return fd;
	}
	return -2;
}

int open(const char *path, int flags, ...)
{
	int fd = proc_xen(path);
	mode_t mode = 0;

	if (fd != -2)
		return fd;
	if (flags & (O_CREAT | __O_TMPFILE)) {
		va_list more;

		va_start(more, flags);
		mode = va_arg(more, mode_t);
		va_end(more);
	}
	return real_open(path, flags, mode);
}

int open64(const char *path, int flags, ...) __attribute__((alias("open")));
