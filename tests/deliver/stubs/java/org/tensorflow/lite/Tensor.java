package org.tensorflow.lite;

/** A tensor of `count` elements; unquantized with a scale of 0, as in the runtime. */
public class Tensor {
  public static class QuantizationParams {
    private final float scale;
    private final int zeroPoint;

    QuantizationParams(float scale, int zeroPoint) {
      this.scale = scale;
      this.zeroPoint = zeroPoint;
    }

    public float getScale() {
      return scale;
    }

    public int getZeroPoint() {
      return zeroPoint;
    }
  }

  private final DataType type;
  private final int count;
  private final QuantizationParams steps;

  Tensor(DataType type, int count, float scale, int zeroPoint) {
    this.type = type;
    this.count = count;
    steps = new QuantizationParams(scale, zeroPoint);
  }

  public DataType dataType() {
    return type;
  }

  public int numElements() {
    return count;
  }

  public int numBytes() {
    return count * (type == DataType.FLOAT32 ? 4 : type == DataType.INT16 ? 2 : 1);
  }

  public QuantizationParams quantizationParams() {
    return steps;
  }
}
