import { readVersion } from '../version.ts';

/** OpenAPI 3.1 of the API. Shapes of answers are described in words: docs/operating.md shows them. */
export function openApi(): object {
  const body = (properties: object, required: readonly string[] = []) => ({
    content: { 'application/json': { schema: { type: 'object', properties, required, additionalProperties: false } } },
  });
  const answers = (description: string, others: Readonly<Record<string, string>> = {}) => ({
    200: { description, content: { 'application/json': { schema: { type: 'object' } } } },
    ...Object.fromEntries(Object.entries(others).map(([code, text]) => [code, { description: text }])),
  });
  const query = (name: string, schema: object, description: string) => ({ name, in: 'query', schema, description });
  const listing = [
    query('service', { enum: ['turn', 'wireguard', 'pair', 'forward'] }, 'Only those of one service.'),
    query('limit', { type: 'integer', minimum: 0, default: 1000 }, 'At most so many; 0 = all.'),
  ];
  const text = { type: 'string' };
  const get = (summary: string, description: string, parameters: readonly object[] = []) => ({
    get: { summary, parameters, responses: answers(description) },
  });
  const post = (summary: string, description: string, others = {}) => ({
    post: { summary, requestBody: body({}), responses: answers(description, others) },
  });
  return {
    openapi: '3.1.0',
    info: {
      title: 'Culvert',
      version: readVersion(),
      description: 'A running relay: what it does, and what it shall do.',
    },
    servers: [{ url: '/api/v1' }],
    security: [{ token: [] }],
    components: { securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'admin.token' } } },
    paths: {
      '/status': get(
        'What runs',
        'Version, engine, listeners, services, forwards with their upstreams, blocks, drain.',
      ),
      '/clients': get(
        'Clients of all services',
        'clients, truncated; with Accept: application/x-ndjson one a line.',
        listing,
      ),
      '/flows': get('Installed flows', 'flows, truncated; with Accept: application/x-ndjson one a line.', listing),
      '/blocks': {
        ...get('Blocked prefixes', 'blocks'),
        post: {
          summary: 'Block an address or a CIDR block',
          requestBody: body(
            { prefix: text, for: { ...text, description: 'Such as 1h; absent: until removed.' }, reason: text },
            ['prefix'],
          ),
          responses: {
            201: { description: 'Blocked.' },
            400: { description: 'Not understood.' },
            409: { description: 'Refused.' },
          },
        },
        delete: {
          summary: 'Take a block away',
          parameters: [query('prefix', text, 'As it was blocked.')],
          responses: answers('Taken away.', { 404: 'Not blocked.', 409: 'Blocked by the configuration.' }),
        },
      },
      '/reload': post('Read the configuration again', 'changed, needsRestart, warnings, failures.', {
        422: 'Faulty: nothing changed; faults says why.',
      }),
      '/drain': {
        ...get('How many are left', 'drain: left and services; null while nobody drains.'),
        ...post('Take nobody new', 'drain: left and services.'),
        delete: {
          summary: 'Take whoever comes again',
          responses: answers('undone: false when nobody drained.', { 409: 'It drains because it is about to end.' }),
        },
      },
    },
  };
}
