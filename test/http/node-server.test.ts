import { describe, expect, it } from 'vitest';
import { serve } from '../../runtime/hosts/node-server.ts';

const text = (body: string) => ({ fetch: async () => new Response(body) });

describe('serve', () => {
  it('answers on a free port and stops', async () => {
    const server = await serve(text('hello'), { port: 0 });
    expect(server.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(await (await fetch(server.url)).text()).toBe('hello');
    await server.close();
    await expect(fetch(server.url)).rejects.toThrow();
  });

  it('lets a running request finish', async () => {
    let answer = (): void => undefined;
    const started = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const app = {
      fetch: async () => {
        answer();
        await new Promise((resolve) => setTimeout(resolve, 50));
        return new Response('late');
      },
    };
    const server = await serve(app, { port: 0 });
    const response = fetch(server.url);
    await started;
    await server.close();
    expect(await (await response).text()).toBe('late');
  });

  it('cuts off what does not finish', async () => {
    const server = await serve({ fetch: () => new Promise<Response>(() => undefined) }, { port: 0 });
    const response = fetch(server.url);
    response.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await server.close(20);
    await expect(response).rejects.toThrow();
  });

  it('says that a port is in use', async () => {
    const server = await serve(text(''), { port: 0 });
    const port = Number(new URL(server.url).port);
    await expect(serve(text(''), { port })).rejects.toThrow(`port ${port} on 127.0.0.1 is in use`);
    await server.close();
  });

  it("says that a host is not this machine's", async () => {
    await expect(serve(text(''), { port: 0, host: '192.0.2.1' })).rejects.toThrow(
      '192.0.2.1 is no address of this machine',
    );
  });
});
