import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { describe, test } from 'node:test';
import type { CommandResult } from '../../../src/runtime/doctor/command.ts';
import { firewallFindings, type Opening, openingsOf } from '../../../src/runtime/doctor/firewall.ts';
import { readIptables } from '../../../src/runtime/doctor/firewall-iptables.ts';
import { readNft } from '../../../src/runtime/doctor/firewall-nft.ts';
import { type Firewall, type Passage, passageOf } from '../../../src/runtime/doctor/firewall-rules.ts';
import { configOf, temporaryFolder } from '../../control/config/rig.ts';
import { missing } from '../../requirements.ts';

type Case = [packet: string, passage: Passage];

function check(firewall: Firewall, cases: readonly Case[]): void {
  for (const [packet, passage] of cases) {
    const [protocol, port, family] = packet.split(' ');
    const first = { protocol: protocol as 'tcp' | 'udp', port: Number(port), family: family === '6' ? 6 : 4 } as const;
    assert.equal(passageOf(firewall, first), passage, packet);
  }
}

describe('iptables', () => {
  const filter = (policy: string, ...rules: string[]): string =>
    `*nat\n:INPUT DROP [0:0]\nCOMMIT\n*filter\n:INPUT ${policy} [0:0]\n:ours - [0:0]\n${rules.join('\n')}\nCOMMIT\n`;
  const tables: [name: string, text: string, cases: Case[]][] = [
    [
      'no rules',
      filter('ACCEPT'),
      [
        ['udp 3478', 'open'],
        ['udp 3478 6', 'open'],
      ],
    ],
    [
      'drop and nothing else',
      filter('DROP'),
      [
        ['udp 3478', 'closed'],
        ['udp 3478 6', 'open'],
      ],
    ],
    [
      'only what belongs to connections and loopback',
      filter('DROP', '-A INPUT -i lo -j ACCEPT', '-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT'),
      [['udp 3478', 'closed']],
    ],
    [
      'ports, ranges and lists',
      filter(
        'DROP',
        '-A INPUT -p udp -m udp --dport 3478 -m comment --comment "a -j DROP b" -j ACCEPT',
        '-A INPUT -p udp -m udp --dport 49152:65535 -j ACCEPT',
        '-A INPUT -p tcp -m multiport --dports 22,80:90 -j ACCEPT',
      ),
      [
        ['udp 3478', 'open'],
        ['tcp 3478', 'closed'],
        ['udp 50000', 'open'],
        ['tcp 85', 'open'],
        ['tcp 91', 'closed'],
      ],
    ],
    [
      'some sources',
      filter('DROP', '-A INPUT -s 10.0.0.0/8 -p udp --dport 3478 -j ACCEPT'),
      [
        ['udp 3478', 'some'],
        ['udp 1', 'closed'],
      ],
    ],
    [
      'a block list before an open port',
      filter('ACCEPT', '-A INPUT -s 192.0.2.1/32 -j DROP', '-A INPUT -p udp -m limit --limit 10/sec -j DROP'),
      [['udp 3478', 'open']],
    ],
    [
      'reject at the end',
      filter('ACCEPT', '-A INPUT -p tcp --dport 22 -j ACCEPT', '-A INPUT -j REJECT'),
      [
        ['tcp 22', 'open'],
        ['udp 1', 'closed'],
      ],
    ],
    [
      'other chains',
      filter(
        'DROP',
        '-A INPUT -p udp -j ours',
        '-A ours -p udp --dport 1 -j RETURN',
        '-A ours -j LOG',
        '-A ours -j ACCEPT',
      ),
      [
        ['udp 2', 'open'],
        ['udp 1', 'closed'],
        ['tcp 2', 'closed'],
      ],
    ],
    [
      'not from there',
      filter('DROP', '-A INPUT ! -s 10.0.0.0/8 -j ACCEPT', '-A INPUT ! -i lo -p udp --dport 9 -j ACCEPT'),
      [
        ['udp 9', 'open'],
        ['udp 8', 'some'],
      ],
    ],
    ['a circle', filter('DROP', '-A INPUT -j ours', '-A ours -j ours'), [['udp 1', 'some']]],
  ];
  for (const [name, text, cases] of tables) test(name, () => check(readIptables(text, 4), cases));
});

describe('nft', { skip: missing('nft', 'netns') }, () => {
  const rules = (policy: string, ...lines: string[]): string => `table inet t {
    set open { type inet_service; flags interval; elements = { 22, 40000-40010 } }
    chain sub { udp dport 5 accept; tcp dport 5 return; }
    chain input { type filter hook input priority 0; policy ${policy}; ${lines.join('; ')}; }
  }`;
  const tables: [name: string, text: string, cases: Case[]][] = [
    ['empty', '', [['udp 1', 'open']]],
    [
      'drop',
      rules('drop', 'counter'),
      [
        ['udp 1', 'closed'],
        ['tcp 1 6', 'closed'],
      ],
    ],
    [
      'only loopback and what belongs to connections',
      rules(
        'drop',
        'iif lo accept',
        'ct state established,related accept',
        'ct state vmap { established : accept, invalid : drop }',
      ),
      [['udp 1', 'closed']],
    ],
    [
      'new connections',
      rules('drop', 'ct state new udp dport 7 accept'),
      [
        ['udp 7', 'open'],
        ['udp 8', 'closed'],
      ],
    ],
    [
      'sets',
      rules('drop', 'udp dport { 3478, 5000-5005 } accept', 'th dport @open accept'),
      [
        ['udp 3478', 'open'],
        ['udp 5003', 'open'],
        ['tcp 3478', 'closed'],
        ['tcp 40005', 'open'],
        ['udp 22', 'open'],
      ],
    ],
    [
      'protocols',
      rules('drop', 'meta l4proto { tcp } accept', 'ip protocol udp jump sub'),
      [
        ['tcp 5', 'open'],
        ['udp 5', 'open'],
        ['udp 6', 'closed'],
      ],
    ],
    [
      'families',
      rules('drop', 'meta nfproto ipv6 udp dport 7 accept'),
      [
        ['udp 7 6', 'open'],
        ['udp 7', 'closed'],
      ],
    ],
    ['sources, interfaces, rates', rules('drop', 'ip saddr 10.0.0.0/8 accept'), [['udp 1', 'some']]],
    ['rates', rules('drop', 'limit rate 10/second accept'), [['udp 1', 'some']]],
    ['a rate that drops', rules('accept', 'udp dport 7 limit rate over 10/second drop'), [['udp 7', 'open']]],
    [
      'a dropped port',
      rules('accept', 'udp dport 7 drop'),
      [
        ['udp 7', 'closed'],
        ['udp 8', 'open'],
      ],
    ],
    [
      'two chains, of which one drops',
      `${rules('accept', 'counter')}\ntable ip u { chain c { type filter hook input priority 5; policy drop; }\n}`,
      [
        ['udp 7', 'closed'],
        ['udp 7 6', 'open'],
      ],
    ],
    [
      'what is forwarded is no matter',
      'table ip u { chain c { type filter hook forward priority 5; policy drop; }\n}',
      [['udp 7', 'open']],
    ],
  ];
  for (const [name, text, cases] of tables) {
    test(name, () => {
      const script = 'nft -f - && nft -j list ruleset';
      const output = execFileSync('unshare', ['--net', 'sh', '-c', script], { input: text, encoding: 'utf8' });
      const firewall = readNft(output);
      assert.ok(firewall);
      check(firewall, cases);
    });
  }

  test('what is no answer of nft is not read', () => {
    for (const text of ['', 'x', '{}', '[]', 'null']) assert.equal(readNft(text), undefined, text);
  });
});

describe('findings', () => {
  const absent: CommandResult = { ok: false, reason: 'absent' };
  const refused: CommandResult = { ok: false, reason: 'failed' };
  const openings: Opening[] = [
    { family: 4, protocol: 'udp', port: 3478, last: 3478 },
    { family: 4, protocol: 'udp', port: 49_152, last: 65_535 },
  ];
  const saved = (rules: string): CommandResult => ({
    ok: true,
    output: `*filter\n:INPUT DROP [0:0]\n${rules}\nCOMMIT\n`,
  });
  const told = (iptables: CommandResult, nft = absent) =>
    firewallFindings({ nft, iptables, ip6tables: absent }, openings);

  test('closed ports, with the rule that opens them', () => {
    const [finding] = told(saved('-A INPUT -p udp --dport 3478 -j ACCEPT'));
    assert.deepEqual(finding, {
      subject: 'firewall',
      name: 'input',
      level: 'problem',
      what: 'the firewall lets nobody in to udp 49152-65535',
      fix: 'iptables -I INPUT -p udp --dport 49152:65535 -j ACCEPT',
    });
  });

  test('half of a range is not the range', () => {
    assert.equal(told(saved('-A INPUT -p udp --dport 49152:50000 -j ACCEPT'))[0]?.level, 'problem');
  });

  test('open, in part, unknown', () => {
    assert.equal(told(saved('-A INPUT -p udp -j ACCEPT'))[0]?.level, 'ok');
    assert.equal(told(saved('-A INPUT -s 10.0.0.0/8 -j ACCEPT'))[0]?.name, 'input-some');
    assert.match(told(absent)[0]?.what ?? '', /neither nft nor iptables/);
    assert.match(told(absent, refused)[0]?.what ?? '', /may not read/);
  });

  test('loopback needs no opening, relayed ports do', async (context) => {
    const { turn } = await configOf(temporaryFolder(context), {});
    const socket = (address: string) => ({
      key: 'x',
      transport: 'udp',
      kind: 'udp' as const,
      optional: false,
      local: { family: 4 as const, address, port: 3478 },
    });
    assert.deepEqual(openingsOf([socket('127.0.0.1'), socket('0.0.0.0')], turn, [4]), openings);
  });
});
