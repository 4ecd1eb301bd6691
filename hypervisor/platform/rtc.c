/* SPDX-License-Identifier: MIT */
/*
 * The CMOS clock: read at boot for the wall clock, and shared with domain 0,
 * which sees ports 0x70 and 0x71 as if they were its own: its index register is
 * kept here, and index and data are written as one under the lock.
 */
#include <zelo/domain.h>
#include <zelo/log.h>
#include <arch/machine.h>

#define RTC_INDEX 0x70
#define RTC_DATA 0x71
#define INDEX_MASK 0x7f /* bit 7 masks NMIs, which are the hypervisor's */

#define RTC_SECONDS 0x00
#define RTC_MINUTES 0x02
#define RTC_HOURS 0x04
#define RTC_DAY 0x07
#define RTC_MONTH 0x08
#define RTC_YEAR 0x09
#define RTC_STATUS_A 0x0a
#define STATUS_A_UPDATING 0x80
#define RTC_STATUS_B 0x0b
#define STATUS_B_24H 0x02
#define STATUS_B_BINARY 0x04
#define RTC_CENTURY 0x32
#define HOURS_PM 0x80

static spinlock_t rtc_lock = SPINLOCK(LOCK_LEAF); /* (irq) the port pair */
static u8 guest_index;                            /* rtc lock */

static u8 cmos_read(u8 reg)
{
    outb(RTC_INDEX, reg);
    return inb(RTC_DATA);
}

struct rtc_time { u8 second, minute, hour, day, month, year, century; };

static void rtc_read_raw(struct rtc_time *t)
{
    t->second = cmos_read(RTC_SECONDS);
    t->minute = cmos_read(RTC_MINUTES);
    t->hour = cmos_read(RTC_HOURS);
    t->day = cmos_read(RTC_DAY);
    t->month = cmos_read(RTC_MONTH);
    t->year = cmos_read(RTC_YEAR);
    t->century = cmos_read(RTC_CENTURY);
}

/* An update takes 2 ms at most; a clock that is not there says "updating" for ever. */
static void rtc_wait_update(void)
{
    u64 start = rdtsc(), limit = tsc_khz * 20;

    while ((cmos_read(RTC_STATUS_A) & STATUS_A_UPDATING) && rdtsc() - start < limit)
        cpu_relax();
}

/* Read until twice the same, so that no update fell in between. */
static void rtc_read_stable(struct rtc_time *t)
{
    struct rtc_time again;

    rtc_wait_update();
    rtc_read_raw(&again);
    for (unsigned tries = 0; tries < 10; tries++) {
        *t = again;
        rtc_wait_update();
        rtc_read_raw(&again);
        if (!memcmp(t, &again, sizeof(again)))
            return;
    }
}

static u8 from_bcd(u8 v)
{
    return (u8)((v >> 4) * 10 + (v & 0xf));
}

static void rtc_decode(struct rtc_time *t, u8 status_b)
{
    bool pm = !(status_b & STATUS_B_24H) && (t->hour & HOURS_PM);

    t->hour &= (u8)(status_b & STATUS_B_24H ? 0xff : ~HOURS_PM);
    if (!(status_b & STATUS_B_BINARY)) {
        t->second = from_bcd(t->second);
        t->minute = from_bcd(t->minute);
        t->hour = from_bcd(t->hour);
        t->day = from_bcd(t->day);
        t->month = from_bcd(t->month);
        t->year = from_bcd(t->year);
        t->century = from_bcd(t->century);
    }
    if (!(status_b & STATUS_B_24H))
        t->hour = (u8)(t->hour % 12 + (pm ? 12 : 0));
}

/* Days from 1970-01-01 to a date of the Gregorian calendar, counting years from March. */
static u64 days_since_1970(u32 year, u32 month, u32 day)
{
    u32 y = month > 2 ? year : year - 1;
    u32 m = month > 2 ? month - 3 : month + 9;

    return 365ULL * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

u64 rtc_read_seconds(void)
{
    struct rtc_time t;
    unsigned long flags;
    u32 year;

    spin_lock_irqsave(&rtc_lock, flags);
    rtc_read_stable(&t);
    rtc_decode(&t, cmos_read(RTC_STATUS_B));
    spin_unlock_irqrestore(&rtc_lock, flags);

    if (t.month < 1 || t.month > 12 || t.day < 1 || t.day > 31 || t.hour > 23 || t.minute > 59 || t.second > 60 ||
        t.year > 99) {
        log_warn("The CMOS clock has no valid time: starting at 1970\n");
        return 0;
    }
    year = t.century >= 20 && t.century < 30 ? t.century * 100u + t.year : t.year + (t.year < 70 ? 2000u : 1900u);
    return ((days_since_1970(year, t.month, t.day) * 24 + t.hour) * 60 + t.minute) * 60 + t.second;
}

static void rtc_data_access(bool write, u8 *value)
{
    unsigned long flags;

    spin_lock_irqsave(&rtc_lock, flags);
    outb(RTC_INDEX, guest_index);
    if (write)
        outb(RTC_DATA, *value);
    else
        *value = inb(RTC_DATA);
    spin_unlock_irqrestore(&rtc_lock, flags);
}

/* True if the port is one of the pair and d may use it; the access is then done. */
bool rtc_port_access(struct domain *d, u16 port, bool write, u8 *value)
{
    if ((port != RTC_INDEX && port != RTC_DATA) || !rangeset_contains(&d->io_ports, port, port))
        return false;
    if (port == RTC_DATA)
        rtc_data_access(write, value);
    else if (write)
        WRITE_ONCE(guest_index, *value & INDEX_MASK);
    else
        *value = READ_ONCE(guest_index);
    return true;
}
