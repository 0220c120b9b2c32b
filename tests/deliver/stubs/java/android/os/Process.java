package android.os;

public class Process {
  public static boolean is64Bit = true;

  public static boolean is64Bit() {
    return is64Bit;
  }
}
