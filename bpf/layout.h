/* What kernel and userspace both read and write: keys and values of the maps. Addresses, ports and discriminators are
 * in network byte order, times are nanoseconds of CLOCK_MONOTONIC. src/engine/xdp/layout.ts has the same offsets; a
 * test compares both with the object's BTF. */
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>

/* Names that must not be written to, lest a replaced value be half the old one, end in nothing; what the program writes
 * is marked. */

#define FAMILY_4 4
#define FAMILY_6 6

/* Whose traffic it is, for counters: an index into rows of REASONS. */
enum service {
  SERVICE_ENGINE = 0, /* nobody's, or nobody's yet */
  SERVICE_TURN,
  SERVICE_WIREGUARD,
  SERVICE_PAIR,
  SERVICE_FORWARD,
  SERVICES,
};

enum direction { TO_PEER = 0, TO_CLIENT = 1 };

enum encapsulation {
  ENCAP_KEEP = 0,
  ENCAP_STRIP,
  ENCAP_ADD,
  ENCAP_REPLACE,
};

/* What a destination port means, for one family. */
enum port_bit {
  PORT_OPEN = 1,      /* a socket of ours is bound to it */
  PORT_CHANNELS = 2,  /* some flow of it has a channel as discriminator */
  PORT_RECEIVERS = 4, /* some flow of it has a WireGuard receiver index */
  PORT_PLAIN = 8,     /* some flow of it has no discriminator */
  PORT_WILDCARD = 16, /* bound to 0.0.0.0 or ::; keys of its flows have 0 as local address */
  PORT_BUDGETED = 32, /* what no flow takes is charged to its source's prefix */
};

struct port {
  __u8 bits4;
  __u8 bits6;
  __u8 service4;
  __u8 service6;
};

/* discriminator: all 0 for none; number and two bytes of 0 for a channel; the index as on the wire for a receiver, in
 * maps of their own, because every index is possible. */
struct flow_key4 {
  __be32 local;
  __be32 remote;
  __be16 local_port;
  __be16 remote_port;
  __be32 discriminator;
};

struct flow_key6 {
  __be32 local[4];
  __be32 remote[4];
  __be16 local_port;
  __be16 remote_port;
  __be32 discriminator;
};

/* How an interface sends. A veth takes what is redirected to it when its peer has GRO; what XDP_TX gives it lies there
 * until its peer has a program of its own. */
enum exit {
  EXIT_REDIRECT = 1,
  EXIT_TRANSMIT = 2, /* XDP_TX where a packet came in */
};

/* Of `counter` below; else a processor's number + 1. */
#define NOBODY    0
#define EVERYBODY 255

/* Hardware addresses, as in a frame. Words of 16 bits are what lies there at its proper place. */
struct addresses {
  __be16 destination[3];
  __be16 source[3];
};

/* The next hop of a flow as the last look-up had it. Good until `until`, and only in its generation. */
struct hop {
  __u64 until;
  __u32 generation;
  __u32 ifindex;
  struct addresses addresses;
  __u16 mtu;
  __u8 exit;    /* enum exit */
  __u8 counter; /* who counts for the flow: see count_flow */
};

struct flow {
  __be32 local[4]; /* to send from; an IPv4 address is the first word */
  __be32 remote[4];
  __be16 local_port;
  __be16 remote_port;
  __u8 family; /* that it leaves by */
  __u8 encapsulation;
  __be16 channel; /* for add and replace */
  __be32 except;
  __u8 has_except;
  __u8 service;
  __u8 direction;
  __u8 unused;
  __u64 id;
  __u64 bucket; /* key in `buckets`, 0 = no limit */
  /* Written by the program from here on. */
  __u64 packets;
  __u64 bytes; /* payload as received */
  __u64 last_seen;
  struct hop hop;
};

/* As src/flow/token-bucket.ts: levels in thousandths of a byte, time in milliseconds. */
struct bucket {
  struct bpf_spin_lock lock;
  __u32 unused;
  __u64 rate; /* bytes a second = thousandths a millisecond */
  __u64 depth;
  __u64 level;
  __u64 updated;
  __u64 full_after; /* milliseconds in which even an empty one fills */
};

/* The first 24 bits of an IPv4 address, the first 64 of an IPv6 one. */
struct prefix {
  __be32 network[2];
  __u32 family;
};

struct counter {
  __u64 packets;
  __u64 bytes; /* payload as received */
};

/* An interface that frames may come in by: what is for its address is for this host. */
struct link {
  __u32 ifindex; /* 0: none */
  __be16 address[3];
  __u16 unused;
};

#define LINKS      256
#define LINK_SHIFT 24

/* Addresses of this host that most packets are for: there are not many, and a look-up takes longer. */
#define NEAR4 4
#define NEAR6 2

struct own_key6 {
  __be32 address[4];
};

struct settings {
  __u64 clock;           /* 0: the kernel's; else the time, for tests */
  __u64 hop_lifetime;    /* how long a next hop is taken for granted */
  __u64 budget_interval; /* nanoseconds that a packet costs its prefix; 0 = no budgets */
  __u64 budget_burst;    /* nanoseconds that a prefix may run ahead */
  __u64 forward_until;   /* flows are executed no longer, unless a process says so again; 0 = for ever */
  __u32 generation;      /* of next hops; raise it and all are looked up anew */
  __u32 lookup_ifindex;  /* as if a packet had come in there the route is looked up; 0 = where it did */
  __be32 near4[NEAR4];
  struct own_key6 near6[NEAR6]; /* places without an address repeat another's */
  __u32 spread;                 /* the link of an interface is at ifindex * spread >> LINK_SHIFT, or nowhere */
  struct link links[LINKS];
};

/* A next hop that flows leave by. An IPv4 address is the first word. */
struct neighbour {
  __u32 ifindex;
  __u32 family;
  __be32 address[4];
};
