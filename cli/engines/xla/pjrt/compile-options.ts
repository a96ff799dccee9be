/**
 * The part of CompileOptionsProto that we set (openxla/xla, xla/pjrt/proto/compile_options.proto), as data for
 * protobufjs.
 */
import protobuf from 'protobufjs';

const field = (id: number, type: string): protobuf.IField => ({ id, type });

const CompileOptions = protobuf.Root.fromJSON({
  nested: {
    CompileOptions: { fields: { executableBuildOptions: field(3, 'ExecutableBuildOptions') } },
    ExecutableBuildOptions: {
      fields: {
        numReplicas: field(4, 'int64'),
        numPartitions: field(5, 'int64'),
        useSpmdPartitioning: field(6, 'bool'),
      },
    },
  },
}).lookupType('CompileOptions');

/** Options for a module that runs on one device, or is cut into `partitions` by XLA's own partitioner. */
export function compileOptions({ partitions = 1 } = {}): Uint8Array {
  // A message without numReplicas and numPartitions ends the process: XLA checks that both are positive.
  const executableBuildOptions = {
    numReplicas: 1,
    numPartitions: partitions,
    ...(partitions > 1 ? { useSpmdPartitioning: true } : {}),
  };
  return CompileOptions.encode({ executableBuildOptions }).finish();
}
