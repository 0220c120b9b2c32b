package android.os;

public class Build {
  public static String[] SUPPORTED_64_BIT_ABIS = {"arm64-v8a"};
  public static String[] SUPPORTED_32_BIT_ABIS = {"armeabi-v7a", "armeabi"};
}
