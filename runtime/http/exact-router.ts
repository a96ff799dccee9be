import type { Params, Result, Router } from 'hono/router';

/** Routes without parameters: the first that was added for a path (or `/*`) and a method (or `ALL`). The smallest router that Hono takes. */
export class ExactRouter<T> implements Router<T> {
  readonly name = 'ExactRouter';
  private readonly routes: [method: string, path: string, handler: T][] = [];

  add(method: string, path: string, handler: T): void {
    this.routes.push([method, path, handler]);
  }

  match(method: string, path: string): Result<T> {
    const found = this.routes.find(([routeMethod, routePath]) => [path, '/*'].includes(routePath) && [method, 'ALL'].includes(routeMethod));
    return [found === undefined ? [] : [[found[2], {} as Params]]];
  }
}
