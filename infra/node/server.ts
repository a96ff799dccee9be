// Node: `node server.mjs`.
import { serve } from '../../runtime/hosts/node-server.ts';
import { runServer } from '../server/run.ts';

await runServer(serve);
