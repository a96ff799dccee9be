/**
 * The part of the PJRT C API that Slim calls, as data: where each function stands in the table that a plugin exports,
 * and what its one argument, a struct, holds. Source: openxla/xla, xla/pjrt/c/pjrt_c_api.h (0.94) and CHANGELOG.md
 * (0.105); names are the header's.
 */

/** How a field lies in memory: `pointer`, `size` (size_t) and `int64` take 8 bytes, `int32` (also enums) 4, `bool` 1. */
export type FieldKind = 'pointer' | 'size' | 'int64' | 'int32' | 'float' | 'bool';
/** The fields of a struct, in their order. */
export type Layout = Readonly<Record<string, FieldKind>>;

/** PJRT_API_MAJOR: another one is another interface. */
export const API_MAJOR = 0;
/** The table's fields were last rearranged in 0.57; since then, functions and fields are only added at the end. */
export const OLDEST_MINOR = 57;

/** Every struct begins with `size_t struct_size` and `PJRT_Extension_Base* extension_start`. */
export const STRUCT_HEADER = { struct_size: 'size', extension_start: 'pointer' } as const satisfies Layout;

/** Where the table's function pointers begin: behind its own header and PJRT_Api_Version, a struct of 24 bytes. */
export const TABLE = { size: 0, version: 16, major: 32, minor: 36, functions: 40 } as const;

const MEMORY_STATS = {
  bytes_in_use: 'int64',
  peak_bytes_in_use: 'int64',
  peak_bytes_in_use_is_set: 'bool',
  num_allocs: 'int64',
  num_allocs_is_set: 'bool',
  largest_alloc_size: 'int64',
  largest_alloc_size_is_set: 'bool',
  bytes_limit: 'int64',
  bytes_limit_is_set: 'bool',
  bytes_reserved: 'int64',
  bytes_reserved_is_set: 'bool',
  peak_bytes_reserved: 'int64',
  peak_bytes_reserved_is_set: 'bool',
  bytes_reservable_limit: 'int64',
  bytes_reservable_limit_is_set: 'bool',
  largest_free_block_bytes: 'int64',
  largest_free_block_bytes_is_set: 'bool',
  pool_bytes: 'int64',
  pool_bytes_is_set: 'bool',
  peak_pool_bytes: 'int64',
  peak_pool_bytes_is_set: 'bool',
} as const satisfies Layout;

/** `slot` counts the function pointers of PJRT_Api; `args` are the fields of `<name>_Args` behind the header. */
export const FUNCTIONS = {
  PJRT_Error_Destroy: { slot: 0, args: { error: 'pointer' } },
  PJRT_Error_Message: { slot: 1, args: { error: 'pointer', message: 'pointer', message_size: 'size' } },
  PJRT_Error_GetCode: { slot: 2, args: { error: 'pointer', code: 'int32' } },
  PJRT_Plugin_Initialize: { slot: 3, args: {} },
  PJRT_Plugin_Attributes: { slot: 4, args: { attributes: 'pointer', num_attributes: 'size' } },
  PJRT_Event_Destroy: { slot: 5, args: { event: 'pointer' } },
  PJRT_Event_IsReady: { slot: 6, args: { event: 'pointer', is_ready: 'bool' } },
  PJRT_Event_Error: { slot: 7, args: { event: 'pointer' } },
  PJRT_Event_Await: { slot: 8, args: { event: 'pointer' } },
  PJRT_Client_Create: {
    slot: 10,
    args: {
      create_options: 'pointer',
      num_options: 'size',
      kv_get_callback: 'pointer',
      kv_get_user_arg: 'pointer',
      kv_put_callback: 'pointer',
      kv_put_user_arg: 'pointer',
      client: 'pointer',
      kv_try_get_callback: 'pointer',
      kv_try_get_user_arg: 'pointer',
    },
  },
  PJRT_Client_Destroy: { slot: 11, args: { client: 'pointer' } },
  PJRT_Client_PlatformName: {
    slot: 12,
    args: { client: 'pointer', platform_name: 'pointer', platform_name_size: 'size' },
  },
  PJRT_Client_PlatformVersion: {
    slot: 14,
    args: { client: 'pointer', platform_version: 'pointer', platform_version_size: 'size' },
  },
  PJRT_Client_AddressableDevices: {
    slot: 16,
    args: { client: 'pointer', addressable_devices: 'pointer', num_addressable_devices: 'size' },
  },
  PJRT_Client_Compile: {
    slot: 20,
    args: {
      client: 'pointer',
      program: 'pointer',
      compile_options: 'pointer',
      compile_options_size: 'size',
      executable: 'pointer',
    },
  },
  PJRT_Client_BufferFromHostBuffer: {
    slot: 22,
    args: {
      client: 'pointer',
      data: 'pointer',
      type: 'int32',
      dims: 'pointer',
      num_dims: 'size',
      byte_strides: 'pointer',
      num_byte_strides: 'size',
      host_buffer_semantics: 'int32',
      device: 'pointer',
      memory: 'pointer',
      device_layout: 'pointer',
      done_with_host_buffer: 'pointer',
      buffer: 'pointer',
    },
  },
  PJRT_DeviceDescription_Attributes: {
    slot: 25,
    args: { device_description: 'pointer', num_attributes: 'size', attributes: 'pointer' },
  },
  PJRT_DeviceDescription_Kind: {
    slot: 26,
    args: { device_description: 'pointer', device_kind: 'pointer', device_kind_size: 'size' },
  },
  PJRT_Device_GetDescription: { slot: 29, args: { device: 'pointer', device_description: 'pointer' } },
  PJRT_Device_MemoryStats: { slot: 34, args: { device: 'pointer', ...MEMORY_STATS } },
  PJRT_Executable_Destroy: { slot: 40, args: { executable: 'pointer' } },
  PJRT_Executable_Serialize: {
    slot: 49,
    args: {
      executable: 'pointer',
      serialized_bytes: 'pointer',
      serialized_bytes_size: 'size',
      serialized_executable: 'pointer',
      serialized_executable_deleter: 'pointer',
    },
  },
  PJRT_LoadedExecutable_Destroy: { slot: 50, args: { executable: 'pointer' } },
  PJRT_LoadedExecutable_GetExecutable: { slot: 51, args: { loaded_executable: 'pointer', executable: 'pointer' } },
  PJRT_LoadedExecutable_Execute: {
    slot: 55,
    args: {
      executable: 'pointer',
      options: 'pointer',
      argument_lists: 'pointer',
      num_devices: 'size',
      num_args: 'size',
      output_lists: 'pointer',
      device_complete_events: 'pointer',
      execute_device: 'pointer',
    },
  },
  PJRT_Executable_DeserializeAndLoad: {
    slot: 56,
    args: {
      client: 'pointer',
      serialized_executable: 'pointer',
      serialized_executable_size: 'size',
      loaded_executable: 'pointer',
      overridden_serialized_compile_options: 'pointer',
      overridden_serialized_compile_options_size: 'size',
    },
  },
  PJRT_Buffer_Destroy: { slot: 58, args: { buffer: 'pointer' } },
  PJRT_Buffer_ToHostBuffer: {
    slot: 70,
    args: { src: 'pointer', host_layout: 'pointer', dst: 'pointer', dst_size: 'size', event: 'pointer' },
  },
  PJRT_TopologyDescription_Create: {
    slot: 82,
    args: {
      topology_name: 'pointer',
      topology_name_size: 'size',
      create_options: 'pointer',
      num_options: 'size',
      topology: 'pointer',
    },
  },
  PJRT_Compile: {
    slot: 89,
    args: {
      topology: 'pointer',
      program: 'pointer',
      compile_options: 'pointer',
      compile_options_size: 'size',
      client: 'pointer',
      executable: 'pointer',
    },
  },
  PJRT_Executable_GetCompiledMemoryStats: {
    slot: 96,
    args: {
      executable: 'pointer',
      generated_code_size_in_bytes: 'int64',
      argument_size_in_bytes: 'int64',
      output_size_in_bytes: 'int64',
      alias_size_in_bytes: 'int64',
      temp_size_in_bytes: 'int64',
      host_generated_code_size_in_bytes: 'int64',
      host_argument_size_in_bytes: 'int64',
      host_output_size_in_bytes: 'int64',
      host_alias_size_in_bytes: 'int64',
      host_temp_size_in_bytes: 'int64',
      peak_memory_in_bytes: 'int64',
      total_size_in_bytes: 'int64',
    },
  },
} as const satisfies Readonly<Record<string, { readonly slot: number; readonly args: Layout }>>;

/** A function that Slim calls. */
export type FunctionName = keyof typeof FUNCTIONS;
/** The layout of a function's struct, behind the header. */
export type Args<F extends FunctionName> = (typeof FUNCTIONS)[F]['args'];

/** PJRT_Program: a module of `format` mlir is StableHLO, as text or bytecode. */
export const PROGRAM = { code: 'pointer', code_size: 'size', format: 'pointer', format_size: 'size' } as const;

/** PJRT_ExecuteOptions; zeros are right everywhere. */
export const EXECUTE_OPTIONS = {
  send_callbacks: 'pointer',
  recv_callbacks: 'pointer',
  num_send_ops: 'size',
  num_recv_ops: 'size',
  launch_id: 'int32',
  non_donatable_input_indices: 'pointer',
  num_non_donatable_input_indices: 'size',
  context: 'pointer',
  call_location: 'pointer',
  num_tasks: 'size',
  task_ids: 'pointer',
  incarnation_ids: 'pointer',
} as const satisfies Layout;

/** PJRT_NamedValue; `value` is a union of 8 bytes: a pointer, an int64, or a float or bool in its first bytes. */
export const NAMED_VALUE = {
  name: 'pointer',
  name_size: 'size',
  type: 'int32',
  value: 'pointer',
  value_size: 'size',
} as const satisfies Layout;
/** PJRT_NamedValue_Type */
export const NamedValueType = { string: 0, int64: 1, int64List: 2, float: 3, bool: 4 } as const;

/** PJRT_Buffer_Type */
export const BufferType = { i32: 4, u8: 6, f32: 11 } as const;

/** PJRT_HostBufferSemantics: the data stays as it is until the event says that the transfer is complete. */
export const IMMUTABLE_UNTIL_TRANSFER_COMPLETES = 1;

/** PJRT_Error_Code, which are abseil's status codes. */
export const ERROR_CODES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
] as const;
/** One of them. */
export type ErrorCode = (typeof ERROR_CODES)[number];
