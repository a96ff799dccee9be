import { describe, expect, it } from 'vitest';
import { imagePreprocessFromHuggingFace } from '../../cli/pretrained/preprocessor-config.ts';
import { defaultImagePreprocess, readImagePreprocess } from '../../runtime/preprocess/spec.ts';

const size = { height: 32, width: 48 };

describe('readImagePreprocess', () => {
  it('reads back what JSON keeps of a specification', () => {
    const spec = defaultImagePreprocess(size);
    expect(readImagePreprocess(JSON.parse(JSON.stringify(spec)))).toEqual(spec);
    const cropped = { ...spec, resize: { mode: 'shortest-edge', edge: 256 } };
    expect(readImagePreprocess(cropped)).toEqual(cropped);
  });

  it.each([
    [null, 'preprocessing: expected an object, got null'],
    [{ size: { height: 0, width: 32 } }, 'preprocessing.size.height: expected a whole number from 1 to 8192, got 0'],
    [{ size: { height: 1e9, width: 32 } }, 'size.height: expected a whole number'],
    [{ size, resize: { mode: 'fill' } }, 'resize.mode: expected none or given or exact or shortest-edge'],
    [{ size, resize: { mode: 'shortest-edge' } }, 'resize.edge: expected a whole number from 1 to 8192, got undefined'],
    [
      { ...defaultImagePreprocess(size), resample: 2 },
      'resample: expected nearest or bilinear or bicubic or lanczos or box or hamming, got 2',
    ],
    [{ ...defaultImagePreprocess(size), rescaleFactor: NaN }, 'rescaleFactor: expected a finite number'],
    [
      { ...defaultImagePreprocess(size), mean: [0.5, 0.5] },
      'mean: expected a list of 3, or of 1 for grey, got [0.5,0.5]',
    ],
    [{ ...defaultImagePreprocess(size), mean: [0.5] }, 'std: expected as many values as mean has, 1'],
    [{ ...defaultImagePreprocess(size), std: [1, 0, 1] }, 'std[1]: expected a finite number above 0, got 0'],
  ])('refuses %j', (json, message) => {
    expect(() => readImagePreprocess(json)).toThrow(message);
    expect(() => readImagePreprocess(json)).toThrow(
      expect.objectContaining({ name: 'PreprocessError', code: 'bad-spec' }),
    );
  });
});

describe('imagePreprocessFromHuggingFace', () => {
  it('reads a file of ViTImageProcessor', () => {
    const file = `{
      "do_normalize": true, "do_rescale": true, "do_resize": true, "image_mean": [0.4914, 0.4822, 0.4465],
      "image_processor_type": "ViTImageProcessor", "image_std": [0.247, 0.2435, 0.2616], "resample": 2,
      "rescale_factor": 0.00392156862745098, "size": {"height": 32, "width": 32}
    }`;
    expect(imagePreprocessFromHuggingFace(JSON.parse(file))).toEqual({
      size: { height: 32, width: 32 },
      resize: { mode: 'exact', height: 32, width: 32 },
      resample: 'bilinear',
      rescaleFactor: 0.00392156862745098,
      mean: [0.4914, 0.4822, 0.4465],
      std: [0.247, 0.2435, 0.2616],
    });
  });

  it("takes ViTImageProcessor's defaults", () => {
    expect(imagePreprocessFromHuggingFace({})).toEqual(defaultImagePreprocess({ height: 224, width: 224 }));
  });

  it('reads a shortest edge with a centre crop', () => {
    const spec = imagePreprocessFromHuggingFace({
      size: { shortest_edge: 256 },
      crop_size: 224,
      do_center_crop: true,
      resample: 3,
    });
    expect(spec.resize).toEqual({ mode: 'shortest-edge', edge: 256 });
    expect(spec.size).toEqual({ height: 224, width: 224 });
    expect(spec.resample).toBe('bicubic');
  });

  it('reads an exact resize followed by a centre crop (DeiT)', () => {
    const spec = imagePreprocessFromHuggingFace({
      image_processor_type: 'DeiTImageProcessor',
      size: { height: 256, width: 256 },
      crop_size: { height: 224, width: 224 },
    });
    expect(spec.resize).toEqual({ mode: 'exact', height: 256, width: 256 });
    expect(spec.size).toEqual({ height: 224, width: 224 });
  });

  it('turns switched-off steps into neutral ones', () => {
    const spec = imagePreprocessFromHuggingFace({ do_resize: false, do_rescale: false, do_normalize: false, size: 64 });
    expect(spec).toMatchObject({ resize: { mode: 'given' }, rescaleFactor: 1, mean: [0, 0, 0], std: [1, 1, 1] });
  });

  /** As CLIPImageProcessor of transformers 5.18 on Pillow does: a null overrides the type's default. */
  it.each<[string, object]>([
    ['do_resize', { resize: { mode: 'none' } }],
    ['do_rescale', { rescaleFactor: 1 }],
    ['do_normalize', { mean: [0, 0, 0], std: [1, 1, 1] }],
    ['do_convert_rgb', { resample: 'bicubic', rescaleFactor: 1 / 255 }],
  ])('leaves out the step that is null: %s', (field, expected) => {
    const config = { image_processor_type: 'CLIPImageProcessor', [field]: null };
    expect(imagePreprocessFromHuggingFace(config)).toMatchObject(expected);
  });

  it.each(['size', 'resample', 'rescale_factor', 'image_mean', 'image_std', 'crop_size'])(
    'refuses null where a step needs it: %s',
    (field) => {
      const config = { image_processor_type: 'CLIPImageProcessor', [field]: null };
      expect(() => imagePreprocessFromHuggingFace(config)).toThrow(new RegExp(`${field}: expected .+, got null`));
    },
  );

  it('refuses a shortest edge without a crop and an unknown filter', () => {
    expect(() => imagePreprocessFromHuggingFace({ resample: 'bicubic' })).toThrow('3 (bicubic)');
    expect(() => imagePreprocessFromHuggingFace({ size: { shortest_edge: 256 } })).toThrow(
      'do_center_crop: expected true',
    );
    expect(() => imagePreprocessFromHuggingFace({ resample: 6 })).toThrow('resample: expected 0 (nearest)');
  });
});
